import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CheckEvent, Deviation, LessonEvent, ProcessEvent, Product, Sink } from "../../events/events.js";
import type { KnownBrokers, KnownDeviation } from "../known-deviations.js";
import { NO_PROMPTS } from "../run/quiz.js";
import { identifyBroker, type BrokerInfo, type OutsideBroker, reachBroker } from "../run/probe-broker.js";
import { type LessonResult, runLesson } from "../run/run-lesson.js";
import type { Lesson } from "../language/lesson-schema.js";

/** Lessons wait more than they work: so many at a time. On one broker each has names of its own. */
const SIDE_BY_SIDE = 4;

export interface CheckSettings {
  binDir: string;
  /** In the order in which they are told of. */
  lessons: Lesson[];
  /** Null: a bundled broker for each lesson. */
  outside: OutsideBroker | null;
  /** The bundled ones keep their data on disk. */
  onDisk: boolean;
  /** What the broker is, as far as that is known before it is asked. */
  product: Product | null;
  knownBrokers: KnownBrokers;
  /** Ends the check early; what was started is cleared away first. */
  signal: AbortSignal;
}

type Checked = Extract<CheckEvent, { event: "checked" }>;
export type CheckResult = Extract<CheckEvent, { event: "check" }>;

/**
 * Runs every lesson on a broker, several at a time, and tells what held. The verdict comes last, and is returned.
 * @throws UserError when the broker can't be used, at the start or any more
 */
export async function checkBroker(settings: CheckSettings, sink: Sink<CheckEvent>): Promise<CheckResult> {
  const folder = await mkdtemp(path.join(tmpdir(), "lwt-check-"));
  try {
    return await new Check(settings, folder, sink).run();
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

class Check {
  readonly #settings: CheckSettings;
  readonly #folder: string;
  readonly #sink: Sink<CheckEvent>;
  readonly #checked: Checked[] = [];
  /** Claims that held, as `lesson: claim`. */
  readonly #held = new Set<string>();
  /** The broker can't be reached any more, or this computer can't go on. */
  readonly #lost = new AbortController();
  readonly #started = performance.now();
  #met: BrokerInfo | null = null;
  #known: readonly KnownDeviation[] = [];

  constructor(settings: CheckSettings, folder: string, sink: Sink<CheckEvent>) {
    this.#settings = settings;
    this.#folder = folder;
    this.#sink = sink;
  }

  async run(): Promise<CheckResult> {
    const { lessons, outside, knownBrokers } = this.#settings;
    const broker = outside?.broker ?? (this.#settings.onDisk ? "lwt-broker --data" : "lwt-broker");
    const product = await this.#meetBroker();
    this.#known = knownBrokers.deviationsOf(product);
    const names = lessons.map(({ name }) => name);
    await this.#sink({
      event: "checking",
      broker,
      product,
      lessons: names,
      knownDeviations: this.#known.length,
    });
    const left = lessons.values();
    const giveUp = (error: unknown) => this.#lost.abort(error);
    const oneByOne = async () => {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, beside others who do the same
      for (const lesson of left) await this.#check(lesson).catch(giveUp);
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, oneByOne));
    this.#lost.signal.throwIfAborted();
    const verdict = this.#verdict(broker, product);
    await this.#sink(verdict);
    return verdict;
  }

  /** What it is. */
  async #meetBroker(): Promise<Product | null> {
    const { outside, binDir, product, signal } = this.#settings;
    if (!outside) return product;
    this.#met = await identifyBroker(outside, product, { binDir, folder: this.#folder, signal });
    return this.#met.product;
  }

  async #check(lesson: Lesson): Promise<void> {
    const { outside, signal, ...settings } = this.#settings;
    if (this.#lost.signal.aborted) return;
    if (signal.aborted) return this.#tell(checkedOf(lesson, NOT_BEGUN, [], [], 0));
    const deviations: Deviation[] = [];
    const clauses = new Set<string>();
    const began = performance.now();
    const take = async (event: LessonEvent | ProcessEvent) => {
      if ("process" in event) return;
      if (event.event === "lesson") await this.#sink(event);
      if (event.event === "warning" && !TOLD_AS_SKIPPED.has(event.code)) await this.#sink(event);
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
        outside,
        met: this.#met,
        audience: NO_PROMPTS,
        next: null,
        signal: AbortSignal.any([signal, this.#lost.signal]),
      },
      take,
    );
    if (outside && result.failed > 0) await this.#findOut(outside);
    if (this.#lost.signal.aborted) return;
    await this.#tell(checkedOf(lesson, result, deviations, [...clauses], secondsSince(began)));
  }

  async #tell(checked: Checked): Promise<void> {
    this.#checked.push(checked);
    await this.#sink(checked);
  }

  /** A broker that is gone, and not one that breaks its promises? */
  async #findOut(outside: OutsideBroker): Promise<void> {
    const { binDir, signal } = this.#settings;
    if (signal.aborted || this.#lost.signal.aborted) return;
    const place = { binDir, folder: this.#folder, signal };
    await reachBroker(outside, place).catch((error: unknown) => this.#lost.abort(error));
  }

  #verdict(broker: string, product: Product | null): CheckResult {
    const count = (outcome: Checked["outcome"]) =>
      this.#checked.filter(each => each.outcome === outcome).length;
    const broken = this.#checked.flatMap(({ deviations }) => deviations.filter(({ mandatory }) => mandatory));
    const interrupted = this.#settings.signal.aborted;
    const kept = this.#known.filter(({ lesson, claim }) => this.#held.has(claimId(lesson, claim)));
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
      unexpectedlyHeld: kept.map(({ lesson, claim }) => ({ lesson, what: claim })),
      interrupted,
      seconds: secondsSince(this.#started),
    };
  }
}

const NOT_BEGUN = { held: 0, notObserved: 0, skipped: "interrupted" } as const;
const TOLD_AS_SKIPPED = new Set(["not-our-broker", "no-cable", "no-other-broker", "no-mqtt-5"]);

const claimId = (lesson: string, claim: string) => `${lesson}: ${claim}`;

const secondsSince = (start: number) => Math.round((performance.now() - start) / 100) / 10;

function checkedOf(
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
