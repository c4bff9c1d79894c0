import type { EventEmitter } from "node:events";
import { LimitError } from "./limits.js";

interface Unfinished {
  packet: object | null;
  bytes: number;
}

/** Bounds what is kept of packets that are not complete, over all connections: they may never be. */
export class PartialPackets {
  readonly #max: number;
  #bytes = 0;
  /** By who keeps them: what parses a connection, or brings it WebSocket frames. The one that was begun first comes first. */
  readonly #byKeeper = new Map<EventEmitter, Unfinished>();

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * @param keeper its `error` ends the connection
   * @param bytes that are kept of that packet now
   */
  report(keeper: EventEmitter, packet: object | null, bytes: number): void {
    if (this.#byKeeper.get(keeper)?.packet !== packet || bytes === 0) this.forget(keeper);
    if (bytes === 0) return;
    this.#bytes += bytes - (this.#byKeeper.get(keeper)?.bytes ?? 0);
    this.#byKeeper.set(keeper, { packet, bytes });
    while (this.#bytes > this.#max) this.#endFirst();
  }

  forget(keeper: EventEmitter): void {
    this.#bytes -= this.#byKeeper.get(keeper)?.bytes ?? 0;
    this.#byKeeper.delete(keeper);
  }

  /** Who goes on sending is through soon, so it is nobody who means well. */
  #endFirst(): void {
    const [first] = this.#byKeeper.keys();
    if (!first) return;
    this.forget(first);
    first.emit("error", new LimitError({ name: "unfinished-bytes", max: this.#max }));
  }
}
