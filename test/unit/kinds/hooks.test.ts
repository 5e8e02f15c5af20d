import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { docker, errors, matchAll, service, warnings } from './support.ts';

const of = (update: object) => docker({ update });

describe('locks and hooks of updates', () => {
  test('they act, with their defaults, so nothing warns of them', () => {
    const update = {
      lockFile: '/data/busy',
      hooks: { beforeUpdate: { exec: ['sync'] }, afterUpdate: { run: 'notify', timeout: '5m' } },
    };
    matchAll(warnings(of(update)), []);
    const read = service(of(update)).update;
    assert.deepEqual(read?.lockFile, { path: '/data/busy', ttlMs: 3_600_000 });
    assert.deepEqual(read?.hooks, {
      beforeUpdate: { exec: ['sync'], timeoutMs: 30_000 },
      afterUpdate: { run: 'notify', timeoutMs: 300_000 },
    });
  });

  test('a blueprint without them is as it was', () => {
    assert.deepEqual(Object.keys(service(of({})).update ?? {}).sort(), [
      ...['deadlineMs', 'healthyAfterMs', 'onFailure', 'parallelism', 'strategy'],
    ]);
  });

  test('a lock file must be an absolute path, and a TTL needs one', () => {
    matchAll(errors(of({ lockFile: 'busy' })), [
      /update\.lockFile must be an absolute path in the container/,
    ]);
    matchAll(errors(of({ lockFile: '/data/' })), [/update\.lockFile must be an absolute path/]);
    matchAll(errors(of({ lockTtl: '5m' })), [/update\.lockTtl must be left out without lockFile/]);
    matchAll(errors(of({ lockFile: '/a', lockTtl: '10ms' })), [/update\.lockTtl must be at least 1s/]);
  });

  test('a hook is either a command or the name of an executable, with a time that is not endless', () => {
    const hook = (beforeUpdate: object) => errors(of({ hooks: { beforeUpdate } }));
    matchAll(hook({}), [/hooks\.beforeUpdate must have either exec or run/]);
    matchAll(hook({ exec: ['a'], run: 'b' }), [/hooks\.beforeUpdate must have either exec or run/]);
    matchAll(hook({ exec: [] }), [/beforeUpdate\.exec must be a list with a command in it/]);
    matchAll(hook({ run: '../../bin/sh' }), [/beforeUpdate\.run must be the name of an executable/]);
    matchAll(hook({ run: 'a', timeout: '2h' }), [/beforeUpdate\.timeout must be from 1s to 1h/]);
  });

  test('a misspelt hook gets a suggestion', () => {
    matchAll(warnings(of({ hooks: { beforeUpdates: { exec: ['a'] } } })), [/beforeUpdates.*beforeUpdate/]);
  });
});
