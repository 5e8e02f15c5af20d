// Connections that break as a bad link breaks them, for tests and bench.

/**
 * Breaks a connection at once with a reset. Not by `resetAndDestroy`: that sends the end of the stream first, and an error
 * meanwhile leaves Node with a handle that it takes for closed and never closes; the process then spins at its end, for
 * ever. A connection whose end is just being sent, or which is not open yet, is closed.
 * @param {import('node:net').Socket | undefined} socket
 */
export function reset(socket) {
  if (socket === undefined || socket.destroyed) return;
  const isEnding = socket.writableEnded && !socket.writableFinished;
  // What `resetAndDestroy` itself sets (Node 18.3 and later).
  if (!socket.connecting && !isEnding) Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}
