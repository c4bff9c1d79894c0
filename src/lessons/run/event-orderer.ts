import { setTimeout as delay } from "node:timers/promises";
import type { ProcessEvent } from "../../events/events.js";

/** Milliseconds that an event waits for earlier ones. The pipes of two processes were seen to differ by 1 to 5. */
const HOLD_MS = 20;
/** If more events wait, the processes' output is not read until the sink has caught up. */
const MAX_HELD = 1_000;

/**
 * Puts the events of several processes into the order of their times. All times come from one clock, but the pipes are
 * read in turns, so that an effect can arrive before its cause.
 */
export class EventOrderer {
  readonly #held: { event: ProcessEvent; arrived: number }[] = [];
  #round: Promise<void> | null = null;

  constructor(private readonly pass: (event: ProcessEvent) => void | Promise<void>) {}

  async add(event: ProcessEvent): Promise<void> {
    this.#held.push({ event, arrived: performance.now() });
    if (!this.#round) void this.#passAll();
    while (this.#held.length > MAX_HELD) await this.#round;
  }

  /** Resolves when no such event waits. */
  async passed(isOne: (event: ProcessEvent) => boolean): Promise<void> {
    while (this.#held.some(({ event }) => isOne(event))) await this.#round;
  }

  async #passAll(): Promise<void> {
    while (this.#held.length > 0) {
      this.#round = this.#passDue();
      await this.#round;
    }
    this.#round = null;
  }

  async #passDue(): Promise<void> {
    await delay(HOLD_MS);
    const due = performance.now() - HOLD_MS;
    // The sort is stable: events with the same time stay in the order of their arrival.
    this.#held.sort((a, b) => Date.parse(a.event.time) - Date.parse(b.event.time));
    const last = this.#held.findLastIndex(({ arrived }) => arrived <= due);
    for (const { event } of this.#held.slice(0, last + 1)) {
      await this.pass(event);
      this.#held.shift();
    }
  }
}
