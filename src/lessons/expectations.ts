import type { ProcessEvent } from "../events.js";
import { Memory } from "./compare.js";
import type { Journal, Wanted } from "./journal.js";
import type { Steps } from "./schema.js";
import { insteadOf, mistimed } from "./wording.js";

/** Waits for what a lesson expects, and remembers what it found. */
export class Expectations {
  readonly #memory = new Memory();

  constructor(
    private readonly journal: Journal,
    /** The broker is another one, which may deviate in a known way. */
    private readonly outside: boolean,
  ) {}

  /**
   * Throws an error that says what came instead.
   * @returns the seconds that were measured, if any; or that the known deviation came in its place
   */
  async meet(step: Steps["expect"], signal: AbortSignal): Promise<{ seconds: number | null } | "deviation"> {
    const found = await this.#find(step, signal);
    if (!found) return "deviation";
    if (step.as !== undefined) this.#memory.remember(step.as, found);
    return { seconds: this.#measure(step, found) };
  }

  /** All that is looked for; null where the known deviation came in its place. */
  async #find(step: Steps["expect"], signal: AbortSignal): Promise<ProcessEvent[] | null> {
    const found: ProcessEvent[] = [];
    const deadline = performance.now() + step.within * 1_000;
    while (found.length < step.times) {
      const wanted = this.#wanted(step, found.length);
      // oxlint-disable-next-line no-await-in-loop -- each begins where the one before was found
      const outcome = await this.journal.find(wanted, deadline - performance.now(), signal);
      if (outcome.is === "instead") return null;
      const last = outcome.heard.at(-1);
      if (outcome.is !== "found" || !last) throw new Error(insteadOf(step, wanted, found.length, outcome));
      found.push(last);
    }
    return found;
  }

  #wanted({ from, expect, where, never, deviation }: Steps["expect"], i: number): Wanted {
    const known = this.outside ? deviation : undefined;
    return {
      from,
      pattern: this.#memory.resolved({ event: expect, where }, i),
      never: never && this.#memory.resolved(never, i),
      instead: known && this.#memory.resolved(known, i),
    };
  }

  /** Seconds since the remembered event. */
  #measure(step: Steps["expect"], found: readonly ProcessEvent[]): number | null {
    if (!step.after) return null;
    const { event, atLeast = 0, atMost = Number.POSITIVE_INFINITY } = step.after;
    const [since, until] = [this.#memory.last(event), found.at(-1)];
    if (!since || !until) throw new Error(`there was no ${event} to measure from`);
    const seconds = (Date.parse(until.time) - Date.parse(since.time)) / 1_000;
    if (seconds < atLeast || seconds > atMost) throw new Error(mistimed(step, seconds));
    return seconds;
  }
}
