import { isoTime } from '../base/clock.ts';
import type { DesiredBlueprint } from '../model/desired.ts';
import type { Rollout, RolloutView } from '../model/rollout.ts';
import { contentHash, versionText, wayBack } from './plan-version.ts';

/** What is to be said of a blueprint because of its record; undefined when that is nothing. */
export function viewOf(blueprint: DesiredBlueprint, record: Rollout): RolloutView | undefined {
  const hash = contentHash(blueprint);
  const bad = record.bad.find((one) => one.hash === hash);
  const good = bad === undefined ? undefined : wayBack(record, hash);
  const { pause } = record;
  const isPaused = pause !== undefined && (pause.by === 'operator' || pause.hash === hash);
  const notices: RolloutView['notices'][number][] = [];
  if (bad !== undefined && good !== undefined)
    notices.push({
      reason: 'RolledBack',
      message: `from ${bad.label} to ${versionText(good.version)} at ${isoTime(bad.since)}: ${bad.message}; until the blueprint changes, or colonies-edge retry ${blueprint.name}`,
    });
  if (isPaused)
    notices.push({
      reason: 'Paused',
      message: `${pause.message}, since ${isoTime(pause.since)}; colonies-edge resume ${blueprint.name} goes on`,
    });
  if (notices.length === 0) return undefined;
  // The way back is open also while all else waits.
  return { notices, ...(isPaused && good === undefined ? { paused: pause.message } : {}) };
}
