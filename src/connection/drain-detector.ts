/**
 * Detects the end of a resumed session's queue. MQTT 3.1.1 does not mark it, so the client asks: a PINGREQ sent after
 * SUBACK and after the last PUBLISH, and answered with no PUBLISH in between, shows that the queue is empty. Any
 * PINGREQ counts, also that of the keep alive.
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

  /** A QoS 2 message stays in the broker's window until PUBREL, so nothing can be concluded before. */
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

  /** Only one PINGREQ waits for its answer, so the broker sets the pace. */
  #ask(): void {
    if (!this.drained && this.#subscribed && this.#unanswered === 0 && this.#handshakes === 0) this.ping();
  }
}
