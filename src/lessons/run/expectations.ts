import type { ProcessEvent } from "../../events/events.js";
import { Captures, type Pattern } from "../language/matcher.js";
import type { Steps } from "../language/step-schema.js";
import type { AwaitedEvent, EventLog } from "./event-log.js";
import { mismatchMessage, timingMessage } from "./failure-messages.js";

/** An expectation that did not hold. The message describes the events that came instead. */
export class ExpectationError extends Error {}

/** Waits for the events that a lesson expects, and captures those that later steps refer to. */
export class Expectations {
  readonly #captures = new Captures();

  constructor(private readonly eventLog: EventLog) {}

  /**
   * @param instead the event of a known deviation, which ends the wait
   * @returns the seconds since the event of `after`; null: nothing was measured
   * @throws ExpectationError
   */
  async waitFor(
    step: Steps["expect"],
    instead: Pattern | undefined,
    signal: AbortSignal,
  ): Promise<number | null> {
    const found: ProcessEvent[] = [];
    const deadline = performance.now() + step.within * 1_000;
    while (found.length < step.times) {
      const awaited = this.#awaitedEvent(step, instead, found.length);
      // oxlint-disable-next-line no-await-in-loop -- each search begins after the event before
      const result = await this.eventLog.find(awaited, deadline - performance.now(), signal);
      const last = result.events.at(-1);
      if (result.outcome !== "found" || !last)
        throw new ExpectationError(mismatchMessage(step, awaited, found.length, result));
      found.push(last);
    }
    if (step.as !== undefined) this.#captures.add(step.as, found);
    return this.#measure(step, found);
  }

  #awaitedEvent(
    { from, expect, where, never }: Steps["expect"],
    instead: Pattern | undefined,
    i: number,
  ): AwaitedEvent {
    return {
      from,
      pattern: this.#captures.resolve({ event: expect, where }, i),
      never: never && this.#captures.resolve(never, i),
      instead: instead && this.#captures.resolve(instead, i),
    };
  }

  #measure(step: Steps["expect"], found: readonly ProcessEvent[]): number | null {
    if (!step.after) return null;
    const { event, atLeast = 0, atMost = Number.POSITIVE_INFINITY } = step.after;
    const [since, until] = [this.#captures.last(event), found.at(-1)];
    if (!since || !until) throw new Error(`there was no ${event} to measure from`);
    const seconds = (Date.parse(until.time) - Date.parse(since.time)) / 1_000;
    if (seconds < atLeast || seconds > atMost) throw new ExpectationError(timingMessage(step, seconds));
    return seconds;
  }
}
