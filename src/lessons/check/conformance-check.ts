import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CheckEvent, Deviation, LessonEvent, ProcessEvent, Product, Sink } from "../../events/events.js";
import type { KnownDeviation } from "../known-deviations.js";
import type { Lesson } from "../language/lesson-schema.js";
import { type BrokerInfo, type ExternalBroker, identifyBroker, requireBroker } from "../run/probe-broker.js";
import { NO_PROMPTS } from "../run/quiz.js";
import { type LessonResult, runLesson } from "../run/run-lesson.js";
import { SKIP_WARNINGS } from "../run/requirements.js";
import type { RunSettings } from "../run/run-settings.js";

/** Lessons wait more than they work. On one broker each lesson has names of its own. */
const MAX_CONCURRENT_LESSONS = 4;

export interface CheckSettings extends Omit<RunSettings, "brokerInfo" | "prompts" | "next"> {
  lessons: Lesson[];
}

type Checked = Extract<CheckEvent, { event: "checked" }>;
export type CheckResult = Extract<CheckEvent, { event: "check" }>;

/**
 * Runs all lessons on a broker, several at a time. The verdict is the last event and the return value.
 * @throws UserError if the broker can't be used, at the start or later
 */
export async function checkBroker(settings: CheckSettings, sink: Sink<CheckEvent>): Promise<CheckResult> {
  const folder = await mkdtemp(path.join(tmpdir(), "lwt-check-"));
  try {
    return await new ConformanceCheck(settings, folder, sink).run();
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

class ConformanceCheck {
  readonly #checked: Checked[] = [];
  /** The claims that held, as `lesson: claim`. */
  readonly #held = new Set<string>();
  /** Aborted when the broker no longer answers, or when a lesson can't run on this computer. */
  readonly #abort = new AbortController();
  readonly #startTime = performance.now();
  #brokerInfo: BrokerInfo | null = null;
  #knownDeviations: readonly KnownDeviation[] = [];

  constructor(
    private readonly settings: CheckSettings,
    private readonly folder: string,
    private readonly sink: Sink<CheckEvent>,
  ) {}

  async run(): Promise<CheckResult> {
    const { lessons, external, knownBrokers, onDisk, slideClaims } = this.settings;
    const broker = external?.broker ?? (onDisk ? "lwt-broker --data" : "lwt-broker");
    if (external)
      this.#brokerInfo = await identifyBroker(external, this.settings.product, this.#probeContext);
    const { product } = this.#brokerInfo ?? this.settings;
    this.#knownDeviations = knownBrokers.deviationsOf(product);
    await this.sink({
      event: "checking",
      broker,
      product,
      lessons: lessons.map(({ name }) => name),
      knownDeviations: this.#knownDeviations.length,
    });
    // oxlint-disable-next-line no-await-in-loop -- in the order of the slides
    for (const claim of slideClaims.eventsOf(lessons)) await this.sink(claim);
    const remaining = lessons.values();
    const checkRemaining = async () => {
      // oxlint-disable-next-line no-await-in-loop -- other calls take lessons from the same iterator
      for (const lesson of remaining)
        await this.#check(lesson).catch((error: unknown) => this.#abort.abort(error));
    };
    await Promise.all(Array.from({ length: MAX_CONCURRENT_LESSONS }, checkRemaining));
    this.#abort.signal.throwIfAborted();
    const verdict = this.#verdict(broker, product);
    await this.sink(verdict);
    return verdict;
  }

  get #probeContext() {
    const { binDir, signal } = this.settings;
    return { binDir, folder: this.folder, signal };
  }

  async #check(lesson: Lesson): Promise<void> {
    const { external, signal, ...settings } = this.settings;
    if (this.#abort.signal.aborted) return;
    if (signal.aborted) return this.#report(checkedEvent(lesson, NOT_STARTED, [], [], 0));
    const deviations: Deviation[] = [];
    const clauses = new Set<string>();
    const startTime = performance.now();
    const onEvent = async (event: LessonEvent | ProcessEvent) => {
      if ("process" in event) return;
      if (event.event === "lesson") await this.sink(event);
      if (event.event === "warning" && !SKIP_WARNING_CODES.has(event.code)) await this.sink(event);
      if (event.event !== "expected") return;
      const { what, held, clause, mandatory, instead, reason } = event;
      if (!held) deviations.push({ what, clause, mandatory, instead, reason });
      else if (clause !== null) clauses.add(clause);
      if (held) this.#held.add(claimId(lesson.name, what));
    };
    const result = await runLesson(
      lesson,
      {
        ...settings,
        external,
        brokerInfo: this.#brokerInfo,
        prompts: NO_PROMPTS,
        next: null,
        signal: AbortSignal.any([signal, this.#abort.signal]),
      },
      onEvent,
    );
    if (external && result.failed > 0) await this.#abortIfUnreachable(external);
    if (this.#abort.signal.aborted) return;
    await this.#report(checkedEvent(lesson, result, deviations, [...clauses], secondsSince(startTime)));
  }

  async #report(checked: Checked): Promise<void> {
    this.#checked.push(checked);
    await this.sink(checked);
  }

  /** Distinguishes a broker that no longer answers from a broker that breaks a claim. */
  async #abortIfUnreachable(external: ExternalBroker): Promise<void> {
    if (this.settings.signal.aborted || this.#abort.signal.aborted) return;
    await requireBroker(external, this.#probeContext).catch((error: unknown) => this.#abort.abort(error));
  }

  #verdict(broker: string, product: Product | null): CheckResult {
    const count = (outcome: Checked["outcome"]) =>
      this.#checked.filter(each => each.outcome === outcome).length;
    const broken = this.#checked.flatMap(({ deviations }) => deviations.filter(({ mandatory }) => mandatory));
    const interrupted = this.settings.signal.aborted;
    const heldDeviations = this.#knownDeviations.filter(({ lesson, claim }) =>
      this.#held.has(claimId(lesson, claim)),
    );
    return {
      event: "check",
      broker,
      product,
      passed: broken.length === 0 && !interrupted,
      held: count("held"),
      deviates: count("deviates"),
      skipped: count("skipped"),
      broken: broken.length,
      knownBroken: broken.filter(({ reason }) => reason !== null).length,
      unexpectedlyHeld: heldDeviations.map(({ lesson, claim }) => ({ lesson, what: claim })),
      interrupted,
      seconds: secondsSince(this.#startTime),
    };
  }
}

const NOT_STARTED = { held: 0, notObserved: 0, skipped: "interrupted" } as const;
/** Warnings that `checked` reports as `skipped`. */
const SKIP_WARNING_CODES = new Set(Object.values(SKIP_WARNINGS).map(({ code }) => code));

const claimId = (lesson: string, claim: string) => `${lesson}: ${claim}`;

const secondsSince = (startTime: number) => Math.round((performance.now() - startTime) / 100) / 10;

function checkedEvent(
  { name, claims }: Lesson,
  { held, notObserved, skipped }: Pick<LessonResult, "held" | "notObserved" | "skipped">,
  deviations: Deviation[],
  clauses: string[],
  seconds: number,
): Checked {
  const outcome = deviations.length > 0 ? "deviates" : skipped === null ? "held" : "skipped";
  const counts = { held, notObserved, clauses, deviations };
  return { event: "checked", lesson: name, claims, outcome, ...counts, skipped, seconds };
}
