import type { ProcessEvent } from "../../events/events.js";
import { Captures, type Pattern } from "../language/matcher.js";
import type { EventLog, AwaitedEvent } from "./event-log.js";
import type { Steps } from "../language/lesson-schema.js";
import { insteadOf, outOfTimeMessage } from "./failure-messages.js";

/** What was expected did not come; the message says what came instead. */
export class ExpectationError extends Error {}

/** Waits for what a lesson expects, and remembers what it found. */
export class Expectations {
  readonly #memory = new Captures();

  constructor(private readonly journal: EventLog) {}

  /**
   * Throws `ExpectationError` if it doesn't come.
   * @param instead what this broker is known to do in its place: with that the waiting is over
   * @returns the seconds that were measured, if any
   */
  async meet(
    step: Steps["expect"],
    instead: Pattern | undefined,
    signal: AbortSignal,
  ): Promise<number | null> {
    const found: ProcessEvent[] = [];
    const deadline = performance.now() + step.within * 1_000;
    while (found.length < step.times) {
      const wanted = this.#wanted(step, instead, found.length);
      // oxlint-disable-next-line no-await-in-loop -- each begins where the one before was found
      const outcome = await this.journal.find(wanted, deadline - performance.now(), signal);
      const last = outcome.heard.at(-1);
      if (outcome.is !== "found" || !last)
        throw new ExpectationError(insteadOf(step, wanted, found.length, outcome));
      found.push(last);
    }
    if (step.as !== undefined) this.#memory.remember(step.as, found);
    return this.#measure(step, found);
  }

  #wanted(
    { from, expect, where, never }: Steps["expect"],
    instead: Pattern | undefined,
    i: number,
  ): AwaitedEvent {
    return {
      from,
      pattern: this.#memory.resolved({ event: expect, where }, i),
      never: never && this.#memory.resolved(never, i),
      instead: instead && this.#memory.resolved(instead, i),
    };
  }

  /** Seconds since the remembered event. */
  #measure(step: Steps["expect"], found: readonly ProcessEvent[]): number | null {
    if (!step.after) return null;
    const { event, atLeast = 0, atMost = Number.POSITIVE_INFINITY } = step.after;
    const [since, until] = [this.#memory.last(event), found.at(-1)];
    if (!since || !until) throw new Error(`there was no ${event} to measure from`);
    const seconds = (Date.parse(until.time) - Date.parse(since.time)) / 1_000;
    if (seconds < atLeast || seconds > atMost) throw new ExpectationError(outOfTimeMessage(step, seconds));
    return seconds;
  }
}
