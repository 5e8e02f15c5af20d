import type { LinkStatus } from '../../src/model/link.ts';
import { ago } from './sample-status.ts';

/** A link that works. */
export function sampleLinkStatus(change: Partial<LinkStatus> = {}): LinkStatus {
  return {
    endpoint: 'https://colony.example:443',
    colony: 'dev',
    executorName: 'gw-7',
    executorId: '3fc05cf3df4b494e95d6a3d297a34f19938f7daa7422ab0d4f794454133341ac',
    state: 'Connected',
    since: ago(192),
    lastContactAt: ago(12),
    linkClass: 'normal',
    listing: { at: ago(100), blueprints: 8, nextAt: ago(-200) },
    openProcesses: 0,
    unsentStatuses: 0,
    traffic: {
      listing: { requests: 4, sentBytes: 2000, receivedBytes: 60_000 },
      poll: { requests: 20, sentBytes: 12_000, receivedBytes: 9000 },
    },
    ...change,
  };
}
