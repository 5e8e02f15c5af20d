import type { Socket } from 'node:net';

const broken = new WeakSet<Socket>();

/**
 * Breaks a connection with a reset. Node refuses that while the end of the stream is being sent, says so by an error, and
 * then keeps the socket open for ever: such a one is closed.
 */
export function reset(socket: Socket | undefined): void {
  if (socket === undefined || broken.has(socket)) return;
  broken.add(socket);
  const { _handle: handle } = socket as unknown as { _handle?: { close(onClosed: () => void): void } | null };
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'reset') handle?.close(() => socket.emit('close', true));
  });
  socket.resetAndDestroy();
}
