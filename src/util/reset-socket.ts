import type { Socket } from "node:net";

/**
 * Ends a connection by a reset. While the end of our half is on its way libuv refuses one (EINVAL), Node takes the socket
 * for closed nevertheless, and spins for ever when the process wants to exit: then it is closed without one.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
