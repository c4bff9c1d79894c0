import { setTimeout as delay } from "node:timers/promises";
import type { ProcessEvent } from "../../events/events.js";

/** Milliseconds that an event is held back for earlier ones; seen between two pipes: 1 to 5. */
const HOLD = 20;
/** Past so many, the processes are read no further until the reader of the lesson has caught up. */
const MOST_HELD = 1_000;

/**
 * Puts what several processes said into the order of their own times, which one clock gave: the pipes that it comes
 * through are read in turns, so that a message can come out of one before its cause comes out of another.
 */
export class EventOrderer {
  readonly #pass: (event: ProcessEvent) => void | Promise<void>;
  readonly #held: { event: ProcessEvent; arrived: number }[] = [];
  #round: Promise<void> | null = null;

  constructor(pass: (event: ProcessEvent) => void | Promise<void>) {
    this.#pass = pass;
  }

  async take(event: ProcessEvent): Promise<void> {
    this.#held.push({ event, arrived: performance.now() });
    if (!this.#round) void this.#rounds();
    while (this.#held.length > MOST_HELD) await this.#round;
  }

  /** Kept when all such events that there are have been passed on. */
  async passed(isOne: (event: ProcessEvent) => boolean): Promise<void> {
    while (this.#held.some(({ event }) => isOne(event))) await this.#round;
  }

  async #rounds(): Promise<void> {
    while (this.#held.length > 0) {
      this.#round = this.#passDue();
      await this.#round;
    }
    this.#round = null;
  }

  async #passDue(): Promise<void> {
    await delay(HOLD);
    const due = performance.now() - HOLD;
    // Stable: what has the same time stays in the order in which it came.
    this.#held.sort((a, b) => Date.parse(a.event.time) - Date.parse(b.event.time));
    const last = this.#held.findLastIndex(({ arrived }) => arrived <= due);
    for (const { event } of this.#held.slice(0, last + 1)) {
      await this.#pass(event);
      this.#held.shift();
    }
  }
}
