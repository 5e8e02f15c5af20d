import { isoTime } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { errorCode, errorText } from '../base/errors.ts';
import { getServerInfo } from '../colony/messages-server.ts';
import type { Config } from '../config/table.ts';
import { type ColonySettings, colonySettings } from './colony-settings.ts';
import type { Check } from './doctor-check.ts';
import type { Io } from './io.ts';
import { type FoundKey, keySource } from './key-sources.ts';
import { checkKey, differences, type Standing, standingOf, withClient } from './registration.ts';

/** Certificates and ages go wrong from here on; less is the road's doing. */
const SKEW_MS = 30_000;

/** Can the server be reached, does it know us, and are our keys where they should be? */
export async function checkColony(config: Config, io: Io): Promise<Check[]> {
  const settings = colonySettings(config, io.env);
  if (settings === undefined)
    return [{ name: 'server', state: 'ok', message: 'none is set: blueprints come from the directory only' }];
  const { check, own } = await checkOwnKey(settings);
  return [
    ...(await checkServer(settings, io)),
    check,
    ...(own === undefined ? [] : await checkRegistration(settings, own, io)),
    ...(await checkOwnerKey(settings, config, io)),
  ];
}

/** Asked without a key, so that nothing but the way and the server itself can fail. */
async function checkServer(settings: ColonySettings, io: Io): Promise<Check[]> {
  const { server } = settings;
  try {
    return await withClient(settings, undefined, io, async (client) => {
      await client.send(getServerInfo(), io.signal);
      return [{ name: 'server', state: 'ok', message: server }, ...checkSkew(client.serverNow(), io)];
    });
  } catch (error) {
    const advice = adviceFor(errorCode(error));
    return [{ name: 'server', state: 'fail', message: `${server}: ${errorText(error)}`, advice }];
  }
}

function checkSkew(serverMs: number | undefined, io: Io): Check[] {
  if (serverMs === undefined) return [];
  const name = 'server clock';
  const aheadMs = io.clock.now() - serverMs;
  if (Math.abs(aheadMs) <= SKEW_MS) return [{ name, state: 'ok', message: `${isoTime(serverMs)}, as here` }];
  const word = aheadMs > 0 ? 'ahead of' : 'behind';
  return [
    {
      name,
      state: 'warn',
      message: `this machine is ${formatDuration(Math.abs(aheadMs))} ${word} the server (${isoTime(serverMs)})`,
      advice: 'set the clock (timedatectl set-ntp true), here or there',
    },
  ];
}

function adviceFor(code: string): string {
  switch (code) {
    case 'COLONY_DNS':
      return 'check the name in --server, and the resolver (resolvectl status); a link that is down looks the same';
    case 'COLONY_REFUSED_CONNECTION':
      return 'check host and port, and that the server runs';
    case 'COLONY_UNREACHABLE':
      return 'look at the link of this machine: ip route, ip addr';
    case 'COLONY_TIMEOUT':
      return 'a firewall may swallow the connection, or the link is down on its way; the agent keeps trying';
    case 'COLONY_TLS':
      return 'give the certificate authority with --ca-file; a server without TLS needs http:// (COLONIES_TLS=false)';
    case 'COLONY_CLOCK':
      return 'set the clock (timedatectl set-ntp true): certificates are checked against it';
    case 'COLONY_CAPTIVE_PORTAL':
      return 'a web page answers in place of the server: log in to this network, or check the address';
    case 'COLONY_PROXY':
    case 'BAD_PROXY':
      return 'check HTTP_PROXY or HTTPS_PROXY; NO_PROXY exempts the server';
    case 'COLONY_GATEWAY':
      return 'what stands in front of the server cannot reach it: look there';
    case 'COLONY_PROTOCOL':
      return 'something answers that is no ColonyOS server: check host, port and path';
    case 'TLS_FILE_UNREADABLE':
      return 'check --ca-file, --client-cert-file and --client-key-file';
    default:
      return 'look at the server; containers are kept running all the same';
  }
}

async function checkOwnKey(settings: ColonySettings): Promise<{ check: Check; own?: FoundKey }> {
  const name = 'key';
  try {
    const own = await settings.keys.executor();
    const where = own.source.where;
    const advice = `chmod 0600 ${where}`;
    const check: Check =
      own.exposed === undefined
        ? { name, state: 'ok', message: `${own.id} (${own.source.from}: ${where})` }
        : { name, state: 'warn', message: own.exposed, advice };
    return { check, own };
  } catch (error) {
    const isMissing = errorCode(error) === 'KEY_MISSING';
    const advice = isMissing
      ? 'colonies-edge register'
      : 'put a good key there, or move it away and register';
    return { check: { name, state: isMissing ? 'warn' : 'fail', message: errorText(error), advice } };
  }
}

/** A server that cannot be asked is told by another line. */
async function checkRegistration(settings: ColonySettings, own: FoundKey, io: Io): Promise<Check[]> {
  const name = 'registration';
  try {
    const seen = await withClient(settings, own.key, io, (client) =>
      standingOf(client, { ...settings, id: own.id }, io.signal),
    );
    checkKey(settings, own, seen);
    return [registrationCheck(settings, seen)];
  } catch (error) {
    const code = errorCode(error);
    if (code.startsWith('COLONY_')) return [];
    return [{ name, state: 'fail', message: errorText(error), advice: 'colonies-edge register --help' }];
  }
}

function registrationCheck(settings: ColonySettings, seen: Standing): Check {
  const name = 'registration';
  const who = `${settings.executorName} in colony ${settings.colony}`;
  const approve = `the colony's owner: colonies executor approve --name ${settings.executorName}`;
  switch (seen.state) {
    case 'approved': {
      const [different] = differences(settings, seen);
      if (different === undefined) return { name, state: 'ok', message: `${who} is approved` };
      const advice = 'change the setting, or let the owner remove the executor and register it anew';
      return { name, state: 'warn', message: different, advice };
    }
    case 'unknown':
      return {
        name,
        state: 'fail',
        message: `the colony ${settings.colony} does not know the key of this node`,
        advice: 'colonies-edge register',
      };
    default:
      return { name, state: 'warn', message: `${who} is ${seen.state}`, advice: approve };
  }
}

/** The key that owns the colony is for registering; on a node it waits for a thief. */
async function checkOwnerKey(settings: ColonySettings, config: Config, io: Io): Promise<Check[]> {
  const name = 'owner key';
  const source = keySource('owner', config, io.env);
  if (source === undefined) return [];
  try {
    const owner = await settings.keys.owner();
    if (owner?.exposed !== undefined)
      return [{ name, state: 'fail', message: owner.exposed, advice: `chmod 0600 ${source.where}` }];
  } catch (error) {
    const advice = 'put it there, or do without: the agent does not need it';
    return [{ name, state: 'fail', message: errorText(error), advice }];
  }
  return [
    {
      name,
      state: 'warn',
      message: `the colony owner's key lies on this node (${source.from}: ${source.where}); whoever gets it owns the colony`,
      advice: 'give it to colonies-edge register for that call only, and take it away',
    },
  ];
}
