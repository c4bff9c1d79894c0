import type { EventEmitter } from "node:events";
import { LimitError } from "./limits.js";

interface PartialPacket {
  packet: object | null;
  bytes: number;
}

/** Bounds the memory of incomplete packets over all connections: a client may never complete one. */
export class PartialPackets {
  readonly #max: number;
  #bytes = 0;
  /** By the parser or WebSocket stream that buffers the packet, in the order of their starts. */
  readonly #bySource = new Map<EventEmitter, PartialPacket>();

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * @param source its event `error` ends the connection
   * @param bytes that are buffered of that packet now
   */
  report(source: EventEmitter, packet: object | null, bytes: number): void {
    if (this.#bySource.get(source)?.packet !== packet || bytes === 0) this.forget(source);
    if (bytes === 0) return;
    this.#bytes += bytes - (this.#bySource.get(source)?.bytes ?? 0);
    this.#bySource.set(source, { packet, bytes });
    while (this.#bytes > this.#max) this.#endOldest();
  }

  forget(source: EventEmitter): void {
    this.#bytes -= this.#bySource.get(source)?.bytes ?? 0;
    this.#bySource.delete(source);
  }

  /** Ends the connection whose incomplete packet started first. A normal client completes a packet quickly. */
  #endOldest(): void {
    const [first] = this.#bySource.keys();
    if (!first) return;
    this.forget(first);
    first.emit("error", new LimitError({ name: "unfinished-bytes", max: this.#max }));
  }
}
