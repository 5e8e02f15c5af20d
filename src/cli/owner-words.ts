import type { ColonySettings } from './colony-settings.ts';

/** What the owner of the colony is to do, as commands and as calls. */
export interface OwnerSteps {
  /** For a shell with the ecosystem's own command line tool and the owner's variables. */
  commands: readonly string[];
  /** The same as messages to be signed with the owner's key (PROTOCOL.md 5.2). */
  calls: readonly { payloadtype: string; payload: object }[];
}

type Own = Pick<ColonySettings, 'colony' | 'executorName' | 'executorType' | 'location'>;

/** Adding and approving, or only approving what is there: an executor that ever existed cannot be added again. */
export function ownerSteps(own: Own, id: string, isThere: boolean): OwnerSteps {
  const { colony, executorName, executorType, location } = own;
  const approve = {
    payloadtype: 'approveexecutormsg',
    payload: { msgtype: 'approveexecutormsg', colonyname: colony, executorname: executorName },
  };
  const approveCommand = `colonies executor approve --name ${shellWord(executorName)}`;
  if (isThere) return { commands: [approveCommand], calls: [approve] };
  const record = { executorname: executorName, executortype: executorType, locationname: location };
  const add = {
    payloadtype: 'addexecutormsg',
    // Without lastheardfromtime: the time of a slow clock would unregister the node at once.
    payload: {
      msgtype: 'addexecutormsg',
      executor: { executorid: id, ...record, colonyname: colony },
    },
  };
  return {
    commands: [
      // The tool knows no flag for the location, so a specification it is.
      `printf '%s\\n' ${shellWord(JSON.stringify(record))} > executor.json`,
      `colonies executor add --spec executor.json --executorid ${id}`,
      approveCommand,
    ],
    calls: [add, approve],
  };
}

/** A word for a POSIX shell, in quotes where it needs them. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
