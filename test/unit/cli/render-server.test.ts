import assert from 'node:assert/strict';
import { test } from 'node:test';
import { displayWidth } from '../../../src/base/text.ts';
import { type Look, renderStatus } from '../../../src/cli/render-status.ts';
import type { LinkState, LinkStatus } from '../../../src/model/link.ts';
import { sampleLinkStatus } from '../../fakes/link-status.ts';
import { ago, NOW, sampleStatus } from '../../fakes/sample-status.ts';

const look: Look = { columns: 80, nowMs: NOW, paint: (_style, text) => text };
const coloured: Look = { ...look, paint: (style, text) => `<${style}>${text}</>` };

/** What stands between the head line and the table, as one line. */
function told(change: Partial<LinkStatus>, how: Look = look): string {
  const text = renderStatus(sampleStatus({ server: sampleLinkStatus(change) }), how);
  const lines = text.split('\n\n')[0]?.split('\n').slice(1) ?? [];
  if (how === look) for (const line of lines) assert.ok(displayWidth(line) <= 80, line);
  return lines.map((line) => line.trim()).join(' ');
}

test('a link that is up is one line', () => {
  assert.equal(told({}), 'server Connected for 3m12s at https://colony.example:443 as gw-7');
  assert.match(told({ linkClass: 'metered' }), /as gw-7, metered$/);
});

test('a link that is down says since when, why, what is done about it, and the next try', () => {
  assert.equal(
    told({
      state: 'Offline',
      cause: 'dns',
      lastError: 'getaddrinfo ENOTFOUND colony.example',
      nextTryAt: ago(-72),
      unsentStatuses: 2,
      openProcesses: 1,
    }),
    'server Offline for 3m12s at https://colony.example:443 as gw-7 (dns: getaddrinfo ENOTFOUND colony.example): ' +
      'containers are kept by the last known blueprints meanwhile; next try in 1m12s ' +
      'the server is still to be told of 2 statuses and 1 process',
  );
  assert.match(told({ state: 'Connecting', nextTryAt: ago(2) }), /meanwhile; next try now$/);
});

test('executor identities that wait, leave or are in trouble are told; those in order are not', () => {
  const executors = { identities: 3, waiting: 0, leaving: 0 };
  assert.equal(told({ executors }), told({}));
  assert.match(
    told({ executors: { ...executors, waiting: 2, leaving: 1, lastError: 'shop-1 was rejected' } }),
    /gw-7 executor identities: 2 to be registered; 1 to be removed; shop-1 was rejected$/,
  );
  const offline = told({ state: 'Offline', executors: { ...executors, waiting: 1, lastError: 'old' } });
  assert.match(offline, /executor identities: 1 to be registered$/, 'an error of before says nothing now');
});

test('each refused state says who has to do what, in red', () => {
  for (const [state, words] of [
    ['PendingApproval', 'has to approve this executor'],
    ['Unregistered', 'has to approve this executor again'],
    ['UnknownKey', 'register this node, or give it the right key'],
  ] as const)
    assert.match(told({ state, nextTryAt: ago(-20) }), new RegExp(`${state}.*${words}; next try in 20s`));
  const styles: Record<LinkState, string> = {
    Connected: 'green',
    Connecting: 'yellow',
    Offline: 'yellow',
    PendingApproval: 'red',
    Unregistered: 'red',
    UnknownKey: 'red',
  };
  for (const [state, style] of Object.entries(styles))
    assert.ok(told({ state: state as LinkState }, coloured).startsWith(`<${style}>server`), state);
});

test('a listing that fails or looks wrong, and a paused colony, have lines of their own', () => {
  const text = told({
    paused: true,
    listing: {
      blueprints: 8,
      suspect: 'all 8 blueprints are missing',
      lastError: 'status 500',
      nextAt: ago(-60),
    },
  });
  assert.match(text, /blueprints on the server: all 8 blueprints are missing/);
  assert.match(text, /blueprints cannot be listed \(status 500\); next try in 1m/);
  assert.match(text, /the colony is paused: it hands out no processes/);
});

test('without a directory only the server is named as the place of blueprints', () => {
  const places = (path: string, server?: LinkStatus) => {
    const base = sampleStatus({ blueprints: [], ...(server === undefined ? {} : { server }) });
    return renderStatus({ ...base, source: { ...base.source, path } }, look)
      .trimEnd()
      .split('\n')
      .at(-1);
  };
  assert.equal(
    places('/b', sampleLinkStatus()),
    'no blueprints (looked in /b and on https://colony.example:443)',
  );
  assert.equal(places('', sampleLinkStatus()), 'no blueprints (looked on https://colony.example:443)');
  assert.equal(places('/b'), 'no blueprints (looked in /b)');
});
