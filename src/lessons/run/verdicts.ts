import type { LessonEvent, Sink } from "../../events/events.js";
import type { Step, Steps } from "../language/step-schema.js";
import { describeStep } from "./failure-messages.js";

/** Reports and counts the results of a lesson's steps. */
export class Verdicts {
  readonly #counts = { held: 0, failed: 0, deviations: 0, notObserved: 0 };

  constructor(private readonly sink: Sink<LessonEvent>) {}

  get counts(): Readonly<{ held: number; failed: number; deviations: number; notObserved: number }> {
    return this.#counts;
  }

  /** @param seconds measured since the event of `after`; null: nothing was measured */
  async hold(step: Steps["expect"], seconds: number | null): Promise<void> {
    const { what, optional, clause = null } = step;
    const verdict = { what: describeStep(step), held: true, clause };
    if (what === undefined) {
      await this.sink({ event: "observed", ...verdict });
      return;
    }
    this.#counts.held++;
    const more = { instead: null, mandatory: !optional, deviation: false, reason: null, seconds };
    await this.sink({ event: "expected", ...verdict, ...more });
  }

  async fail(step: Step, error: unknown): Promise<void> {
    this.#counts.failed++;
    const instead = error instanceof Error ? error.message : String(error);
    const clause = step.kind === "expect" ? (step.clause ?? null) : null;
    const verdict = { what: describeStep(step), held: false, clause, instead, mandatory: true };
    await this.sink({ event: "expected", ...verdict, deviation: false, reason: null, seconds: null });
  }

  /** @param reason of a known deviation; null: the claim is optional */
  async deviate(step: Steps["expect"], instead: string, reason: string | null): Promise<void> {
    this.#counts.deviations++;
    const verdict = { what: describeStep(step), held: false, clause: step.clause ?? null, instead };
    const more = { mandatory: !step.optional, deviation: true, reason, seconds: null };
    await this.sink({ event: "expected", ...verdict, ...more });
  }

  leaveOut(step: Step): void {
    if (step.kind === "expect" && step.what !== undefined) this.#counts.notObserved++;
  }
}
