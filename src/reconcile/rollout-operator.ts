import type { DesiredBlueprint, DesiredState } from '../model/desired.ts';
import type { RolloutAnswer, RolloutCommand } from '../model/rollout.ts';
import { contentHash, versionText, wayBack } from './plan-version.ts';
import type { Rollouts } from './rollouts.ts';

/** Carries out what an operator asks of one blueprint's roll-out. */
export function commandRollout(
  rollouts: Rollouts,
  asked: DesiredState,
  command: RolloutCommand,
  name: string,
): RolloutAnswer {
  const blueprint = asked.known
    ? asked.blueprints.find((one) => one.name === name && !one.deleting)
    : undefined;
  if (blueprint === undefined) return { ok: false, text: `${name} is not in force on this node` };
  const answer = COMMANDS[command](rollouts, blueprint, asked);
  if (answer.ok) {
    const detail = answer.text;
    rollouts.parts.journal.add('info', `${command} by an operator`, { blueprint: name, detail });
    // Not only with the next look, which has to wait for an engine that is away.
    rollouts.save();
  }
  return answer;
}

type Handler = (rollouts: Rollouts, blueprint: DesiredBlueprint, asked: DesiredState) => RolloutAnswer;

const COMMANDS: Readonly<Record<RolloutCommand, Handler>> = {
  rollback: (rollouts, blueprint, asked) => {
    const { name } = blueprint;
    const record = rollouts.of(name);
    const hash = contentHash(blueprint);
    const good = wayBack(record, hash);
    if (good === undefined)
      return { ok: false, text: `${name} has no other version that proved good here; nothing was touched` };
    if (record?.bad.some((bad) => bad.hash === hash))
      return { ok: true, text: `${name} is back at ${versionText(good.version)} already` };
    const along = rollouts.condemn(asked, blueprint, 'RolledBack', 'an operator asked for it');
    const text = `${name} goes back from ${versionText(blueprint)} to ${versionText(good.version)}`;
    return { ok: true, text: along.length === 0 ? text : `${text}, and with it ${along.join(', ')}` };
  },
  retry: (rollouts, blueprint) => {
    const { name } = blueprint;
    const hash = contentHash(blueprint);
    const record = rollouts.of(name);
    const isBad = record?.bad.some((bad) => bad.hash === hash) === true;
    const isHeld = record?.pause?.by === 'failure';
    if (isBad || isHeld)
      rollouts.change(name, ({ pause, ...rest }) => ({
        ...rest,
        bad: rest.bad.filter((bad) => bad.hash !== hash),
        ...(pause === undefined || pause.by === 'failure' ? {} : { pause }),
      }));
    const isOutside = rollouts.goNow(blueprint);
    rollouts.parts.onTurn(name);
    const again = isBad || isHeld ? `${versionText(blueprint)} is tried again` : 'what failed is tried now';
    const what = isOutside ? `${again}, and waits for no window` : again;
    return { ok: true, text: `${name}: ${what}` };
  },
  pause: (rollouts, blueprint) => {
    const { name } = blueprint;
    if (rollouts.of(name)?.pause?.by === 'operator') return { ok: true, text: `${name} is paused already` };
    const pause = {
      by: 'operator' as const,
      hash: contentHash(blueprint),
      message: 'paused by an operator',
      since: rollouts.parts.clock.now(),
    };
    rollouts.change(name, (record) => ({ ...record, pause }));
    return { ok: true, text: `${name}: no container is replaced until it is resumed; healing goes on` };
  },
  resume: (rollouts, blueprint) => {
    const { name } = blueprint;
    if (rollouts.of(name)?.pause === undefined) return { ok: true, text: `${name} is not paused` };
    rollouts.change(name, ({ pause: _pause, ...rest }) => rest);
    rollouts.parts.onTurn(name);
    return { ok: true, text: `${name} goes on` };
  },
};
