import type { BrokerEvent, Sink } from "../events.js";

/** Emits to a sink that may be slow, and lets others wait until it has taken what it was given. */
export class Pace {
  readonly #sink: Sink<BrokerEvent>;
  #busy: Promise<void> | null = null;

  constructor(sink: Sink<BrokerEvent>) {
    this.#sink = sink;
  }

  emit(event: BrokerEvent): void {
    const taken = this.#sink(event);
    if (!taken) return;
    const free = () => {
      if (this.#busy === busy) this.#busy = null;
    };
    // What goes wrong with writing is the sink's own affair.
    const busy = Promise.all([this.#busy, taken]).then(free, free);
    this.#busy = busy;
  }

  /** Goes on at once where the sink is free, else when it is. */
  whenFree(goOn: () => void): void {
    if (this.#busy) void this.#busy.then(goOn);
    else goOn();
  }
}
