import { deferred, type Deferred } from "../util/async.js";
import { MAX_INCOMPLETE_QOS2 } from "./packet-identifiers.js";

/**
 * Completes handshakes at QoS 2 that an earlier process of this client began, and whose PUBREL the broker still awaits.
 * The broker would take a new message with such a packet identifier for the old one, and acknowledge it without passing
 * it on [MQTT-4.3.3-2]. So PUBREL is sent for each identifier before it is used. PUBCOMP answers it in any case.
 */
export class Qos2Recovery {
  /** Packet identifiers that may be in such a handshake. */
  #open: number[] = [];
  #isFirst = true;
  #finished: Deferred | null = null;

  constructor(private readonly sendPubrel: (packetId: number) => void) {}

  /** Called when a connection was accepted. */
  opened(sessionPresent: boolean): void {
    if (this.#isFirst && sessionPresent)
      this.#open = Array.from({ length: MAX_INCOMPLETE_QOS2 }, (_, i) => i + 1);
    this.#isFirst = false;
    if (!sessionPresent) this.forget();
    if (this.#finished) this.#sendPubrels();
  }

  /** Resolves when none is left. PUBRELs are sent only now: most clients never publish at QoS 2. */
  finished(): Promise<void> {
    if (this.#open.length === 0) return Promise.resolve();
    if (!this.#finished) {
      this.#finished = deferred();
      this.#sendPubrels();
    }
    return this.#finished.promise;
  }

  onPubcomp(packetId: number): void {
    if (this.#open.length === 0) return;
    this.#open = this.#open.filter(each => each !== packetId);
    if (this.#open.length === 0) this.#finished?.resolve();
  }

  /** Called when the session has ended, or the connection for good. */
  forget(): void {
    this.#open = [];
    this.#finished?.resolve();
  }

  #sendPubrels(): void {
    for (const packetId of this.#open) this.sendPubrel(packetId);
  }
}
