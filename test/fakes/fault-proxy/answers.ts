import type { Fault } from './fault.ts';

const PORTAL =
  '<!doctype html><html><head><title>Welcome on board</title></head><body>Please log in</body></html>';

/** The answer to every request under this fault; undefined when the server is to answer. */
export function cannedAnswer(fault: Fault): Buffer | undefined {
  if (fault.mode === 'captivePortal') return page('200 OK', [], PORTAL);
  if (fault.mode !== 'status') return undefined;
  const reason = fault.status === 502 ? '502 Bad Gateway' : '503 Service Unavailable';
  const retry = fault.retryAfterS === undefined ? [] : [`retry-after: ${fault.retryAfterS}`];
  return page(reason, retry, `<html><body><h1>${reason}</h1></body></html>`);
}

function page(status: string, headers: readonly string[], body: string): Buffer {
  return message([`HTTP/1.1 ${status}`, 'content-type: text/html', ...headers], Buffer.from(body));
}

function message(head: readonly string[], body: Buffer, length = body.length): Buffer {
  return Buffer.concat([
    Buffer.from(`${head.join('\r\n')}\r\ncontent-length: ${length}\r\n\r\n`, 'latin1'),
    body,
  ]);
}

/** An answer that was changed on the way, and whether the connection ends after it. */
export interface Changed {
  bytes: Buffer;
  isLast: boolean;
}

/** What becomes of a whole answer under this fault; undefined when it passes as it comes. */
export function changeOf(fault: Fault): ((head: string, body: Buffer) => Changed) | undefined {
  if (fault.mode === 'duplicate')
    return (head, body) => ({ bytes: message(bare(head), Buffer.concat([body, body])), isLast: false });
  if (fault.mode !== 'truncate') return undefined;
  return (head, body) => {
    const half = body.subarray(0, Math.floor(body.length / 2));
    return {
      bytes: message(bare(head), half, fault.isFitting === true ? half.length : body.length),
      isLast: fault.isFitting !== true,
    };
  };
}

/** The head without what says how long the body is. */
function bare(head: string): string[] {
  return head.split('\r\n').filter((line) => !/^(?:content-length|transfer-encoding):/i.test(line));
}
