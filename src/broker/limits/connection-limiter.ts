import type { Server, Socket } from "node:net";
import type { ReachedLimit } from "../../events/events.js";
import { CLOSE_GRACE_MS, type Limits, pastLimit } from "./limits.js";
import { isLoopback } from "../net/loopback.js";
import type { EventThrottle } from "../event-throttle.js";
import { refusingConnack } from "../../protocol/encode.js";
import { ReturnCode } from "../../protocol/return-codes.js";

/** Milliseconds of silence after which TCP keep-alive checks the client. */
const TCP_KEEP_ALIVE_MS = 60_000;
/** Rejected connections that stay open at once until the client has read its CONNACK. */
const MAX_REJECTED = 100;

/** Counts connections, in all and by address, before anything is read from them. */
export class ConnectionLimiter {
  readonly #limits: Limits;
  readonly #throttle: EventThrottle;
  #count = 0;
  readonly #byAddress = new Map<string, number>();
  readonly #rejected = new Set<Socket>();

  constructor(limits: Limits, throttle: EventThrottle) {
    this.#limits = limits;
    this.#throttle = throttle;
  }

  /**
   * Calls the listeners of the server only for accepted connections. To be called after they were added.
   * @param sendsConnack the server's clients speak MQTT without TLS or WebSocket
   */
  attach(server: Server, sendsConnack: boolean): void {
    const listeners = server.listeners("connection");
    server.removeAllListeners("connection");
    server.on("connection", (socket: Socket) => {
      const reached = this.#reached(addressOf(socket));
      if (reached) return this.#reject(socket, reached, sendsConnack);
      this.#admit(socket);
      for (const listener of listeners) listener.call(server, socket);
    });
  }

  /** Destroys the rejected connections. */
  close(): void {
    for (const socket of this.#rejected) socket.destroy();
  }

  #admit(socket: Socket): void {
    const address = addressOf(socket);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    this.#count += 1;
    this.#byAddress.set(address, this.#countOf(address) + 1);
    socket.once("close", () => {
      this.#count -= 1;
      const left = this.#countOf(address) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
  }

  #countOf(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }

  #reached(address: string): ReachedLimit | null {
    const { connections, "connections-per-address": perAddress } = this.#limits;
    if (this.#count >= connections) return { name: "connections", max: connections };
    // All processes of this computer share the loopback address: a whole fleet and its subscribers.
    if (isLoopback(address) || this.#countOf(address) < perAddress) return null;
    return { name: "connections-per-address", max: perAddress };
  }

  #reject(socket: Socket, limit: ReachedLimit, sendsConnack: boolean): void {
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    const reason = pastLimit(limit);
    this.#throttle.emitSampled(() => ({ event: "client-refused", clientId: null, address, reason, limit }));
    socket.on("error", () => {}); // it may have been reset
    if (!sendsConnack || this.#rejected.size >= MAX_REJECTED) return void socket.destroy();
    this.#rejected.add(socket);
    const timer = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#rejected.delete(socket);
    });
    // Discards the input: unread input would turn the end into a reset, and the client would lose the CONNACK.
    socket.resume().end(refusingConnack(ReturnCode.serverUnavailable));
  }
}

/** Returns an IPv4 address in its own form, also if an IPv6 socket accepted it. */
const addressOf = ({ remoteAddress = "" }: Socket) => remoteAddress.replace(/^::ffff:/, "");
