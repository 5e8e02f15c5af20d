import { EdgeError } from '../base/errors.ts';
import { DEFAULT_LOG } from '../kinds/index.ts';
import type { LogSpec } from '../model/container.ts';
import type { Engine } from '../model/ports.ts';

/** How often a look is refused while blueprints wait to be read again. */
const MAX_REFUSED = 3;

/** Which log settings containers get whose blueprint has none. */
export interface LogDefault {
  /** The engine, watched for its log driver. */
  engine: Engine;
  /** Limits for json-file; undefined when the engine logs elsewhere. */
  current(): LogSpec | undefined;
  /** Calls back when `current` became another one. */
  onChange(listener: () => void): void;
}

/**
 * The engine's json-file log grows without end, so it gets limits; another default driver is the operator's choice and
 * stays. Until the engine has answered json-file is assumed. When that was wrong, the first looks fail as transient until
 * the blueprints were resolved anew: planned with the wrong settings they would replace every container.
 */
export function createLogDefault(engine: Engine): LogDefault {
  const listeners = new Set<() => void>();
  let driver: string | undefined;
  let usedDriver: string | undefined;
  let refused = 0;
  const isJson = (name: string | undefined) => name === undefined || name === 'json-file';
  const snapshot: Engine['snapshot'] = async (wanted, signal) => {
    const seen = await engine.snapshot(wanted, signal);
    if (driver !== seen.engine.loggingDriver) {
      const isChanged = isJson(driver) !== isJson(seen.engine.loggingDriver);
      driver = seen.engine.loggingDriver;
      refused = 0;
      if (isChanged) for (const listener of listeners) listener();
    }
    const isStale = usedDriver !== undefined && isJson(usedDriver) !== isJson(driver);
    if (!isStale || refused >= MAX_REFUSED) return seen;
    refused += 1;
    throw new EdgeError(`the engine logs with ${driver}; blueprints are resolved anew for it`, {
      code: 'ENGINE_UNREACHABLE',
      retry: 'transient',
      target: engine.endpoint,
    });
  };
  return {
    engine: {
      endpoint: engine.endpoint,
      snapshot,
      perform: (action, signal) => engine.perform(action, signal),
      pull: (image, options) => engine.pull(image, options),
      watch: (onEvent, signal) => engine.watch(onEvent, signal),
      close: () => engine.close(),
    },
    current: () => {
      usedDriver = driver ?? 'json-file';
      return isJson(driver) ? DEFAULT_LOG : undefined;
    },
    onChange: (listener) => listeners.add(listener),
  };
}
