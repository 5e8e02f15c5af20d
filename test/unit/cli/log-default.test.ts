import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogDefault } from '../../../src/cli/log-default.ts';
import type { EngineSnapshot } from '../../../src/model/observed.ts';
import type { Engine } from '../../../src/model/ports.ts';

const signal = new AbortController().signal;
const wanted = { images: [], volumes: [] };

/** An engine that has a log driver and nothing else. */
function engineWith(loggingDriver: string) {
  const state = { loggingDriver };
  const engine: Engine = {
    endpoint: 'unix:///test',
    snapshot: async (): Promise<EngineSnapshot> => ({
      engine: {
        version: '20.10.24',
        apiVersion: '1.41',
        name: 'docker',
        os: 'linux',
        arch: 'amd64',
        variant: '',
        loggingDriver: state.loggingDriver,
        memoryBytes: 0,
        cpus: 0,
        memoryLimit: true,
        rootDir: '',
      },
      containers: [],
      images: new Map(),
      networks: [],
      volumes: new Set(),
    }),
    perform: async () => ({}),
    pull: async () => undefined,
    watch: async () => undefined,
    close: async () => undefined,
  };
  return { state, engine };
}

test('an engine that logs to files gives limits from the start, and no look is lost', async () => {
  const logs = createLogDefault(engineWith('json-file').engine);
  assert.equal(logs.current()?.driver, 'json-file');
  await logs.engine.snapshot(wanted, signal);
  assert.equal(logs.current()?.driver, 'json-file');
});

test('with another driver no look counts until the blueprints were resolved for it', async () => {
  const logs = createLogDefault(engineWith('journald').engine);
  let stale = 0;
  logs.onChange(() => {
    stale += 1;
  });
  assert.equal(logs.current()?.driver, 'json-file');
  await assert.rejects(logs.engine.snapshot(wanted, signal), /resolved anew/);
  assert.equal(stale, 1);
  assert.equal(logs.current(), undefined);
  await logs.engine.snapshot(wanted, signal);
});

test('looks count from the start when nothing was resolved, and again after some that were refused', async () => {
  const untouched = createLogDefault(engineWith('journald').engine);
  await untouched.engine.snapshot(wanted, signal);
  const stubborn = createLogDefault(engineWith('journald').engine);
  stubborn.current();
  for (let look = 0; look < 3; look += 1) await assert.rejects(stubborn.engine.snapshot(wanted, signal));
  await stubborn.engine.snapshot(wanted, signal);
});
