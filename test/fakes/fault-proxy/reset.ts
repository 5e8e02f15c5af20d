import type { Socket } from 'node:net';

/** A reset that has not closed its socket by then does not, milliseconds. */
const LATE_MS = 200;

const broken = new WeakSet<Socket>();

/**
 * Breaks a connection with a reset. Node refuses that while the end of the stream is being sent, says so by an error, and
 * then keeps the socket open for ever: such a one is closed.
 */
export function reset(socket: Socket | undefined): void {
  if (socket === undefined || broken.has(socket)) return;
  broken.add(socket);
  const { _handle: handle } = socket as unknown as { _handle?: { close(onClosed: () => void): void } | null };
  const close = () => handle?.close(() => socket.emit('close', true));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'reset') close();
  });
  // Whatever else may keep it: nobody is to wait for a connection that was broken.
  const late = setTimeout(close, LATE_MS).unref();
  socket.on('close', () => clearTimeout(late));
  socket.resetAndDestroy();
}
