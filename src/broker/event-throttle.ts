import type { BrokerEvent, Sink } from "../events/events.js";

const SECOND_MS = 1000;
/** A reader cannot follow more events, and more would slow the messages down. */
const MAX_SAMPLES_PER_SECOND = 2000;

/** Emits events to a sink that may be slow, and calls back when the sink is idle. */
export class EventThrottle {
  readonly #sink: Sink<BrokerEvent>;
  /** Null while the sink is idle. */
  #busy: Promise<void> | null = null;
  /** The callbacks of `whenIdle` in the order of the calls. */
  readonly #waiting: (() => void)[] = [];
  /** Sampled events of the current second. */
  #sampled = 0;
  #omitted = 0;
  #second: NodeJS.Timeout | null = null;

  constructor(sink: Sink<BrokerEvent>) {
    this.#sink = sink;
  }

  emit(event: BrokerEvent): void {
    const taken = this.#sink(event);
    if (!taken) return;
    const onIdle = () => {
      if (this.#busy !== busy) return;
      this.#busy = null;
      this.#runWaiting();
    };
    // The sink handles its own errors.
    const busy = Promise.all([this.#busy, taken]).then(onIdle, onIdle);
    this.#busy = busy;
  }

  /** Emits an event that comes with every message: a limited number a second while the sink is idle. Counts the rest. */
  emitSampled(event: () => BrokerEvent): void {
    if (this.#busy || this.#sampled >= MAX_SAMPLES_PER_SECOND) return this.#omit();
    this.#startSecond();
    this.#sampled += 1;
    this.emit(event());
  }

  /** Emits an important event that may come with every message, while the sink is idle. Counts the rest. */
  emitIfIdle(event: () => BrokerEvent): void {
    if (this.#busy) this.#omit();
    else this.emit(event());
  }

  #omit(): void {
    this.#startSecond();
    this.#omitted += 1;
  }

  #startSecond(): void {
    this.#second ??= setTimeout(() => this.#endSecond(), SECOND_MS).unref();
  }

  /** Reports the events omitted so far. */
  end(): void {
    if (this.#second !== null) clearTimeout(this.#second);
    this.#emitOmitted();
  }

  #endSecond(): void {
    this.#second = null;
    this.#sampled = 0;
    if (this.#busy)
      this.#startSecond(); // a blocked sink would otherwise be given one event a second
    else this.#emitOmitted();
  }

  #emitOmitted(): void {
    const omitted = this.#omitted;
    this.#omitted = 0;
    if (omitted > 0) this.emit({ event: "events-omitted", count: omitted });
  }

  /** Calls back at once if the sink is idle, otherwise when it is, in the order of the calls. */
  whenIdle(callback: () => void): void {
    if (this.#busy || this.#waiting.length > 0) this.#waiting.push(callback);
    else callback();
  }

  #runWaiting(): void {
    while (!this.#busy) {
      const next = this.#waiting.shift();
      if (!next) return;
      next();
    }
  }
}
