import type { Server, Socket } from "node:net";
import type { ReachedLimit } from "../../events/events.js";
import { CLOSE_GRACE_MS, type Limits, pastLimit } from "./limits.js";
import { isLoopback } from "../net/loopback.js";
import type { EventThrottle } from "../event-throttle.js";
import { refusingConnack } from "../../protocol/encode.js";
import { ReturnCode } from "../../protocol/return-codes.js";

/** Milliseconds after which the system asks a silent client's, whether it is still there: it may have lost its network. */
const ASK_AFTER = 60_000;
/** Who has been turned away is given time to read why, so many at once; the others see the connection end. */
const MOST_LEAVING = 100;

/** Counts connections, in all and by address, before anything is read from them; on servers of every kind. */
export class ConnectionLimiter {
  readonly #limits: Limits;
  readonly #pace: EventThrottle;
  #present = 0;
  readonly #byAddress = new Map<string, number>();
  readonly #leaving = new Set<Socket>();

  constructor(limits: Limits, pace: EventThrottle) {
    this.#limits = limits;
    this.#pace = pace;
  }

  /**
   * To be called when the server has all its listeners: of a connection that is one too many, they are not told.
   * @param saysWhy clients of this server speak MQTT at once, without TLS or WebSocket under it
   */
  attach(server: Server, saysWhy: boolean): void {
    const listeners = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket: Socket) => {
      const reached = this.#reached(addressOf(socket));
      if (reached) return this.#turnAway(socket, reached, saysWhy);
      this.#admit(socket);
      for (const listener of listeners) listener.call(server, socket);
    });
  }

  /** Whoever is still leaving is cut off. */
  close(): void {
    for (const socket of this.#leaving) socket.destroy();
  }

  #admit(socket: Socket): void {
    const address = addressOf(socket);
    socket.setKeepAlive(true, ASK_AFTER);
    this.#present += 1;
    this.#byAddress.set(address, this.#from(address) + 1);
    socket.once("close", () => {
      this.#present -= 1;
      const left = this.#from(address) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
  }

  #from(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }

  #reached(address: string): ReachedLimit | null {
    const { connections, "connections-per-address": perAddress } = this.#limits;
    if (this.#present >= connections) return { name: "connections", max: connections };
    // All the processes of this computer have its loopback address: a whole fleet, and who watches it.
    if (isLoopback(address) || this.#from(address) < perAddress) return null;
    return { name: "connections-per-address", max: perAddress };
  }

  #turnAway(socket: Socket, limit: ReachedLimit, saysWhy: boolean): void {
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    const reason = pastLimit(limit);
    this.#pace.emitSampled(() => ({ event: "client-refused", clientId: null, address, reason, limit }));
    socket.on("error", () => {}); // it may be gone already
    if (!saysWhy || this.#leaving.size >= MOST_LEAVING) return void socket.destroy();
    this.#leaving.add(socket);
    const timer = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#leaving.delete(socket);
    });
    // What it sends is thrown away: unread, it would make a reset of the end, and the answer would be lost.
    socket.resume().end(refusingConnack(ReturnCode.serverUnavailable));
  }
}

/** The same, whether it came to an address of IPv4 or to one of IPv6 that takes both. */
const addressOf = ({ remoteAddress = "" }: Socket) => remoteAddress.replace(/^::ffff:/, "");
