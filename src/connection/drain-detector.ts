/**
 * Tells when a resumed session's stored queue has been sent in full. MQTT 3.1.1 does not say, so it is asked: a
 * PINGREQ sent after this connection's SUBACK and after the last PUBLISH, answered with no PUBLISH in between, means
 * that the broker had nothing more to send. Any PINGREQ counts, the keep alive's own too.
 */
export class DrainDetector {
  drained: boolean;
  #subscribed = false;
  #quiet = false;
  #unanswered = 0;
  #handshakes = 0;

  constructor(
    sessionPresent: boolean,
    private readonly ping: () => void,
  ) {
    this.drained = !sessionPresent;
  }

  suback(): void {
    this.#subscribed = true;
    this.#quiet = false;
    this.#ask();
  }

  pingSent(): void {
    this.#unanswered += 1;
    this.#quiet = this.#subscribed && this.#handshakes === 0;
  }

  /** A QoS 2 message is one more handshake in the broker's window until it is released: no conclusion before. */
  publish(qos: number): void {
    this.#quiet = false;
    if (qos === 2) this.#handshakes += 1;
  }

  released(): void {
    this.#quiet = false;
    if (this.#handshakes > 0) this.#handshakes -= 1;
    this.#ask();
  }

  pingAnswered(): void {
    if (this.#unanswered > 0) this.#unanswered -= 1;
    if (this.#unanswered === 0 && this.#quiet) this.drained = true;
    this.#ask();
  }

  /** One at a time under way: every answer leads to the next question, at the broker's own pace. */
  #ask(): void {
    if (!this.drained && this.#subscribed && this.#unanswered === 0 && this.#handshakes === 0) this.ping();
  }
}
