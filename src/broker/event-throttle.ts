import type { BrokerEvent, Sink } from "../events/events.js";

const SECOND = 1000;
/** A reader can't follow more, and telling them would slow the messages themselves. */
const MOST_A_SECOND = 2000;

/** Emits to a sink that may be slow, and lets others wait until it has taken what it was given. */
export class EventThrottle {
  readonly #sink: Sink<BrokerEvent>;
  #busy: Promise<void> | null = null;
  /** What goes on when the sink is free, in the order in which it came. */
  readonly #waiting: (() => void)[] = [];
  /** Of the events that come with each message: how many were told in this second, and how many were left out. */
  #told = 0;
  #omitted = 0;
  #second: NodeJS.Timeout | null = null;

  constructor(sink: Sink<BrokerEvent>) {
    this.#sink = sink;
  }

  emit(event: BrokerEvent): void {
    const taken = this.#sink(event);
    if (!taken) return;
    const free = () => {
      if (this.#busy !== busy) return;
      this.#busy = null;
      this.#goOn();
    };
    // What goes wrong with writing is the sink's own affair.
    const busy = Promise.all([this.#busy, taken]).then(free, free);
    this.#busy = busy;
  }

  /** An event that comes with every message: so many a second, and only while the sink is free; the rest is counted. */
  emitSampled(event: () => BrokerEvent): void {
    if (this.#busy || this.#told >= MOST_A_SECOND) return this.#omit();
    this.#startSecond();
    this.#told += 1;
    this.emit(event());
  }

  /** An event that may come with every message, and matters: all of them while the sink is free; the rest is counted. */
  emitIfIdle(event: () => BrokerEvent): void {
    if (this.#busy) this.#omit();
    else this.emit(event());
  }

  #omit(): void {
    this.#startSecond();
    this.#omitted += 1;
  }

  #startSecond(): void {
    this.#second ??= setTimeout(() => this.#endSecond(), SECOND).unref();
  }

  /** What was left out so far is told. */
  end(): void {
    if (this.#second !== null) clearTimeout(this.#second);
    this.#tellOmitted();
  }

  #endSecond(): void {
    this.#second = null;
    this.#told = 0;
    if (this.#busy)
      this.#startSecond(); // else a sink that takes nothing would be given one event a second
    else this.#tellOmitted();
  }

  #tellOmitted(): void {
    const omitted = this.#omitted;
    this.#omitted = 0;
    if (omitted > 0) this.emit({ event: "events-omitted", count: omitted });
  }

  /** Goes on at once where the sink is free, else when it is; no other waits less for having come later. */
  whenIdle(goOn: () => void): void {
    if (this.#busy || this.#waiting.length > 0) this.#waiting.push(goOn);
    else goOn();
  }

  #goOn(): void {
    while (!this.#busy) {
      const next = this.#waiting.shift();
      if (!next) return;
      next();
    }
  }
}
