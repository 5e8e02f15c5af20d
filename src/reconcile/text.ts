import { isoTime } from '../base/clock.ts';
import type { Action, Hold, Plan } from '../model/action.ts';
import type { PlanReport } from '../model/status.ts';

/** What an action does it to, for people: a container, image, network or volume name. */
export function targetOf(action: Action): string {
  switch (action.kind) {
    case 'pullImage':
      return action.image;
    case 'connectNetwork':
    case 'disconnectNetwork':
      return `${action.name} (${action.network})`;
    case 'checkLock':
      return `${action.path} of ${action.name}`;
    case 'runHook':
      return `${action.hook} of ${action.name}`;
    case 'renameContainer':
      return `${action.from} -> ${action.name}`;
    case 'createNetwork':
    case 'createContainer':
    case 'startContainer':
    case 'unpauseContainer':
    case 'stopContainer':
    case 'restartContainer':
    case 'updateContainer':
    case 'removeContainer':
    case 'removeNetwork':
    case 'removeVolume':
    case 'removeImage':
    case 'importImage':
      return action.name;
    case 'pointRelay':
      return `${action.name} -> ${action.targetName} (${action.target})`;
    default:
      return action satisfies never;
  }
}

const VERBS: Record<Action['kind'], string> = {
  pullImage: 'pull image',
  createNetwork: 'create network',
  createContainer: 'create',
  startContainer: 'start',
  unpauseContainer: 'unpause',
  stopContainer: 'stop',
  restartContainer: 'restart',
  renameContainer: 'rename',
  updateContainer: 'update',
  connectNetwork: 'connect',
  disconnectNetwork: 'disconnect',
  removeContainer: 'remove',
  removeNetwork: 'remove network',
  removeVolume: 'remove volume',
  removeImage: 'remove image',
  checkLock: 'look for lock',
  runHook: 'run hook',
  importImage: 'make image',
  pointRelay: 'point',
};

/** `start c1-database: container is not running (exited 137)` */
export function actionText(action: Action): string {
  return `${VERBS[action.kind]} ${targetOf(action)}: ${action.cause}`;
}

/** `hold c1-database/c1-database/0: PortConflict, port 3306 is taken` */
export function holdText(hold: Hold): string {
  const until = hold.nextTryAt === undefined ? '' : `, next try ${isoTime(hold.nextTryAt)}`;
  return `hold ${hold.key}: ${hold.reason}, ${hold.message}${until}`;
}

/** A plan as lines: actions first, then holds. A converged plan is one line that says so. */
export function planText(plan: Plan): string {
  const lines = [...plan.actions.map(actionText), ...plan.holds.map(holdText)];
  return lines.length === 0 ? 'nothing to do: converged' : lines.join('\n');
}

/** A plan for the outside: no environment, no key material. Undefined before the first look. */
export function planReport(plan: Plan | undefined): PlanReport {
  if (plan === undefined)
    return { converged: false, actions: [], holds: [], text: 'nothing was looked at yet' };
  return {
    converged: plan.actions.length === 0 && plan.holds.length === 0,
    actions: plan.actions.map((action) => ({
      kind: action.kind,
      blueprint: action.blueprint,
      target: targetOf(action),
      cause: action.cause,
    })),
    holds: plan.holds.map((hold) => ({
      blueprint: hold.blueprint,
      name: hold.key,
      reason: hold.reason,
      message: hold.message,
      ...(hold.nextTryAt === undefined ? {} : { nextTryAt: isoTime(hold.nextTryAt) }),
    })),
    text: planText(plan),
  };
}
