import * as v from 'valibot';
import { type Call, count, flag, listOf, reader, text } from './call.ts';

// Messages about the colony's assignments and the server itself (PROTOCOL.md sections 1 and 12).

const serverInfo = v.object({
  buildversion: text,
  buildtime: text,
  backends: listOf(v.object({ type: text, host: text, port: count })),
});
const version = v.object({ buildversion: text, buildtime: text });

export type ServerInfo = v.InferOutput<typeof serverInfo>;
export type ServerVersion = v.InferOutput<typeof version>;

/** Whether the colony hands out processes; works for executors in every state. */
export function getPauseStatus(colony: string): Call<boolean> {
  const read = reader('getpausestatusmsg', v.object({ ispaused: flag }));
  return {
    type: 'getpausestatusmsg',
    message: { colonyname: colony },
    purpose: 'info',
    decode: (payload) => read(payload).ispaused,
  };
}

/** What the server says of itself, without a key; says nothing of its release. */
export function getServerInfo(): Call<ServerInfo> {
  return {
    type: 'getserverinfomsg',
    message: {},
    purpose: 'info',
    decode: reader('getserverinfomsg', serverInfo),
    isUnsigned: true,
  };
}

/** Build texts without a key; empty in known builds, so only good as a sign of life. */
export function getVersion(): Call<ServerVersion> {
  return {
    type: 'versionmsg',
    message: {},
    purpose: 'info',
    decode: reader('versionmsg', version),
    isUnsigned: true,
  };
}
