import { MAX_INCOMPLETE_QOS2 } from "./packet-identifiers.js";

/**
 * Messages at QoS 2 that an earlier process of this client sent, and whose PUBREL the broker still awaits: this process
 * knows nothing of them. The broker would take what comes under their packet identifiers for their repetition, and
 * acknowledge it without passing it on [MQTT-4.3.3-2]. So PUBREL goes out for each identifier before it is used: it
 * ends such a handshake, and PUBCOMP answers it also where there is none.
 */
export class Qos2Recovery {
  /** Packet identifiers that may be in one. */
  #left: number[] = [];
  #isFirst = true;
  #ended: { promise: Promise<void>; resolve: () => void } | null = null;

  /** @param release sends PUBREL, if it can */
  constructor(private readonly release: (packetId: number) => void) {}

  /** A connection was accepted. */
  opened(sessionPresent: boolean): void {
    if (this.#isFirst && sessionPresent)
      this.#left = Array.from({ length: MAX_INCOMPLETE_QOS2 }, (_, i) => i + 1);
    this.#isFirst = false;
    if (!sessionPresent) this.forget();
    if (this.#ended) this.#release();
  }

  /** Kept when there are none any more; asked at the first message at QoS 2, since others need not know. */
  ended(): Promise<void> {
    if (this.#left.length === 0) return Promise.resolve();
    if (!this.#ended) {
      let resolve = () => {};
      const promise = new Promise<void>(done => (resolve = done));
      this.#ended = { promise, resolve };
      this.#release();
    }
    return this.#ended.promise;
  }

  /** PUBCOMP has come. */
  completed(packetId: number): void {
    if (this.#left.length === 0) return;
    this.#left = this.#left.filter(each => each !== packetId);
    if (this.#left.length === 0) this.#ended?.resolve();
  }

  /** The session is gone, or the connection is over for good. */
  forget(): void {
    this.#left = [];
    this.#ended?.resolve();
  }

  #release(): void {
    for (const packetId of this.#left) this.release(packetId);
  }
}
