import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idleHours } from './link-hours.ts';

test('an idle hour costs at most 500 kB, with eight blueprints and the schedules running', async () => {
  for (const { bytes, requests, purposes } of await idleHours('normal', 2)) {
    assert.ok(bytes <= 500_000, `${bytes} bytes in ${requests} requests: ${JSON.stringify(purposes)}`);
    assert.ok((purposes.list?.requests ?? 0) >= 12, 'blueprints are listed at least every 10 minutes');
    assert.ok((purposes.report?.requests ?? 0) >= 32, 'each status is sent every 15 minutes');
  }
});

test('on a metered link it costs at most 60 kB, over the hours of one round of statuses', async () => {
  const hours = await idleHours('metered', 4);
  const bytes = hours.reduce((sum, hour) => sum + hour.bytes, 0) / hours.length;
  assert.ok(bytes <= 60_000, `${bytes} bytes an hour: ${JSON.stringify(hours)}`);
  for (const { purposes } of hours) {
    const assigns = (purposes.heartbeat?.requests ?? 0) + (purposes.poll?.requests ?? 0);
    assert.ok(assigns >= 18, 'the registration is kept: three calls in ten minutes');
    assert.ok((purposes.list?.requests ?? 0) >= 2, 'blueprints of both kinds are listed');
  }
});
