import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LessonEvent, ProcessEvent, Product, Sink } from "../../events/events.js";
import type { KnownBrokers, KnownDeviation } from "../known-deviations.js";
import { BROKER, SLIDE_CODE } from "../language/constants.js";
import type { Lesson } from "../language/lesson-schema.js";
import { SLIDE_NAMES, substituteNames, uniqueNames } from "../language/namespacing.js";
import { processIn, type Step, type Steps } from "../language/step-schema.js";
import { lessonEvent } from "../lesson-event.js";
import { brokerSteps } from "./broker-steps.js";
import { cleanUp } from "./cleanup.js";
import { commandLine, type RunBroker, asTyped } from "./command-line.js";
import { EventLog } from "./event-log.js";
import { EventOrderer } from "./event-orderer.js";
import { ExpectationError, Expectations } from "./expectations.js";
import { NO_PAHO, pythonWithPaho } from "./find-python.js";
import { LessonLinks } from "./lesson-links.js";
import type { Invocation, ProcessSettings } from "./lesson-process.js";
import { type BrokerInfo, brokersOf, type ExternalBroker, identifyBroker } from "./probe-broker.js";
import { ProcessGroup } from "./process-group.js";
import { type LessonPrompts, Quiz } from "./quiz.js";
import { type Requirement, SKIP_WARNINGS, skipReasonBefore, skipReasonOn } from "./skip-reason.js";
import { Verdicts } from "./verdicts.js";

export interface RunSettings {
  /** The folder of the committed bin/*.cjs. */
  binDir: string;
  /** Null: the lesson runs on a bundled broker of its own. */
  external: ExternalBroker | null;
  /** Null: the run identifies the external broker first. */
  brokerInfo: BrokerInfo | null;
  /** The product that the user names, or null. */
  product: Product | null;
  knownBrokers: KnownBrokers;
  /** The bundled broker stores its data on disk. */
  onDisk: boolean;
  prompts: LessonPrompts;
  /** The built-in lesson after this one. */
  next: string | null;
  /** Ends the run early, after its processes have stopped. */
  signal: AbortSignal;
}

export type LessonResult = Extract<LessonEvent, { event: "result" }>;
export type LessonSink = Sink<LessonEvent | ProcessEvent>;

/** The longest wait for an event that the broker is known not to send. */
const MAX_KNOWN_DEVIATION_SECONDS = 5;

/**
 * Runs a lesson with real processes, and ends them all before it returns. A claim that does not hold throws nothing:
 * the `result`, which is the last event and the return value, reports it.
 * @throws UserError if the external broker can't be used
 */
export async function runLesson(
  lesson: Lesson,
  settings: RunSettings,
  sink: LessonSink,
): Promise<LessonResult> {
  const folder = await mkdtemp(path.join(tmpdir(), "lwt-lesson-"));
  const run = new LessonRun(lesson, settings, folder, sink);
  try {
    await run.play();
  } finally {
    await run.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  const result = run.result();
  await sink(result);
  return result;
}

class LessonRun {
  readonly #lesson: Lesson;
  readonly #settings: RunSettings;
  readonly #folder: string;
  readonly #sink: LessonSink;
  /** Aborted when the lesson can't go on: after Ctrl-C, or when a process has failed. */
  readonly #abort = new AbortController();
  readonly #eventLog = new EventLog();
  readonly #orderer = new EventOrderer(event => this.#emit(event));
  readonly #processes = new ProcessGroup(this.#eventLog, this.#abort);
  readonly #expectations = new Expectations(this.#eventLog);
  readonly #links: LessonLinks;
  readonly #verdicts: Verdicts;
  readonly #quiz: Quiz;
  /** Processes that can't run here, and the names of optional events that did not come. */
  readonly #unavailable = new Set<string>();
  #knownDeviations: readonly KnownDeviation[] = [];
  #python: string | null = null;
  #skipped: Requirement | null = null;
  readonly #broker: RunBroker;
  #hasStarted = false;
  #stepNumber = 0;

  constructor(lesson: Lesson, settings: RunSettings, folder: string, sink: LessonSink) {
    const { external, prompts } = settings;
    const names = external ? uniqueNames() : SLIDE_NAMES;
    this.#lesson = substituteNames(lesson, names);
    this.#settings = settings;
    this.#broker = { external, names, brokerOption: external?.broker ?? "", connectedUrl: "" };
    this.#folder = folder;
    this.#sink = sink;
    const targets = { brokers: brokersOf(external), connectedUrl: () => this.#broker.connectedUrl };
    this.#links = new LessonLinks(this.#lesson.steps, targets, this.#orderer);
    this.#verdicts = new Verdicts(sink);
    this.#quiz = new Quiz(prompts, sink);
  }

  async play(): Promise<void> {
    const { signal, external, onDisk } = this.#settings;
    const reason = skipReasonBefore(this.#lesson, external);
    if (reason !== null) return this.#skip(reason);
    const leave = () => this.#abort.abort(new Error("the lesson was left"));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave);
    if (external) await this.#identify(external);
    const reasonOn = await skipReasonOn(
      this.#lesson,
      external,
      this.#broker.connectedUrl,
      this.#probeContext,
    );
    if (reasonOn !== null) return this.#skip(reasonOn);
    this.#hasStarted = true;
    await this.#sink(lessonEvent(this.#lesson, external?.broker));
    await this.#findPython();
    const firstSteps = external ? [] : brokerSteps(this.#lesson, onDisk);
    for (const step of [...firstSteps, ...this.#lesson.steps]) if (!(await this.#succeeds(step))) break;
    if (this.#verdicts.counts.failed === 0 && !signal.aborted) await this.#quiz.reveal();
    signal.removeEventListener("abort", leave);
  }

  /** Ends the processes, and removes what they left on an external broker. */
  async end(): Promise<void> {
    await this.#links.mendAll();
    await this.#processes.stopAll();
    this.#links.close();
    if (this.#settings.external === null || !this.#hasStarted) return;
    await cleanUp(
      this.#lesson.cleanup.map(command => this.#processSettings(command, null)),
      this.#sink,
    );
  }

  result(): LessonResult {
    const { held, failed, deviations, notObserved } = this.#verdicts.counts;
    const skipped = this.#settings.signal.aborted ? "interrupted" : this.#skipped;
    const passed = failed === 0 && skipped === null;
    return {
      event: "result",
      lesson: this.#lesson.name,
      passed,
      held,
      failed,
      skipped,
      deviations,
      notObserved,
      next: passed ? this.#settings.next : null,
      ...this.#quiz.score,
    };
  }

  // Setup

  get #probeContext() {
    const { binDir, signal } = this.#settings;
    return { binDir, folder: this.#folder, signal };
  }

  async #identify(external: ExternalBroker): Promise<void> {
    const { knownBrokers, product, brokerInfo } = this.#settings;
    const { name } = this.#lesson;
    const neededProduct = knownBrokers.mentions(name) ? product : undefined;
    const info = brokerInfo ?? (await identifyBroker(external, neededProduct, this.#probeContext));
    const known = knownBrokers.deviationsOf(info.product).filter(({ lesson }) => lesson === name);
    this.#knownDeviations = substituteNames(known, this.#broker.names);
    this.#broker.connectedUrl = info.url;
  }

  async #skip(reason: Requirement): Promise<void> {
    this.#skipped = reason;
    await this.#sink(lessonEvent(this.#lesson, this.#settings.external?.broker));
    await this.#sink({ event: "warning", ...SKIP_WARNINGS[reason] });
  }

  /** Finds a Python for the slide's code. Without one, the steps with that code are left out, with a warning. */
  async #findPython(): Promise<void> {
    const starts = this.#lesson.steps.filter(step => step.kind === "start");
    const slideCode = starts.filter(({ run }) => run.command === SLIDE_CODE);
    if (slideCode.length === 0) return;
    const { external } = this.#settings;
    this.#python = !external || external.broker.startsWith("mqtt:") ? await pythonWithPaho() : null;
    if (this.#python !== null) return;
    for (const { start } of slideCode) this.#unavailable.add(start);
    await this.#sink({ event: "warning", ...NO_PAHO });
  }

  // Steps

  /** Performs a step. A failure ends the lesson, because later steps would fail for the same reason. */
  async #succeeds(step: Step): Promise<boolean> {
    try {
      this.#abort.signal.throwIfAborted();
      if (this.#isUnavailable(step)) this.#verdicts.leaveOut(step);
      else await this.#perform(step.kind, step);
      return true;
    } catch (error) {
      if (!this.#settings.signal.aborted) await this.#verdicts.fail(step, error);
      return false;
    }
  }

  #isUnavailable(step: Step): boolean {
    const needs = step.kind === "expect" ? step.needs : undefined;
    return this.#unavailable.has(processIn(step) ?? "") || this.#unavailable.has(needs ?? "");
  }

  #perform<Kind extends Step["kind"]>(kind: Kind, step: Steps[Kind]): Promise<void> {
    const actions: { [Each in Step["kind"]]: (step: Steps[Each]) => Promise<void> } = {
      say: ({ say }) => this.#say(say),
      start: start => this.#start(start),
      stop: ({ stop }) => this.#processes.stop(stop),
      kill: ({ kill }) => this.#processes.kill(kill),
      cut: ({ cut }) => this.#links.setState(cut, "cut"),
      mend: ({ mend }) => this.#links.setState(mend, "mended"),
      failover: ({ failover }) => this.#links.setState(failover, "failed"),
      expect: expectation => this.#expect(expectation),
      predict: question => this.#quiz.ask(question),
    };
    return actions[kind](step);
  }

  async #say(say: string): Promise<void> {
    await this.#quiz.reveal();
    await this.#settings.prompts.ready();
    this.#abort.signal.throwIfAborted();
    this.#stepNumber++;
    await this.#sink({ event: "step", number: this.#stepNumber, say });
  }

  async #start({ start, run, exit }: Steps["start"]): Promise<void> {
    await this.#links.open(start);
    await this.#processes.start(this.#processSettings(run, start), exit);
  }

  async #expect(step: Steps["expect"]): Promise<void> {
    if (this.#settings.external && step.from === BROKER) return this.#verdicts.leaveOut(step);
    const known = this.#knownDeviations.find(({ claim }) => claim === step.what);
    const within = known ? Math.min(step.within, MAX_KNOWN_DEVIATION_SECONDS) : step.within;
    try {
      const awaited = { ...step, within };
      const seconds = await this.#expectations.waitFor(awaited, known?.instead, this.#abort.signal);
      await this.#verdicts.hold(step, seconds);
    } catch (error) {
      if (!(error instanceof ExpectationError) || !(step.optional || known)) throw error;
      if (step.as !== undefined) this.#unavailable.add(step.as);
      await this.#verdicts.deviate(step, error.message, known?.reason ?? null);
    }
  }

  // Processes

  /** @param name the lesson's name for the process; null: a command that cleans up */
  #processSettings(invocation: Invocation, name: string | null): ProcessSettings {
    const linkUrl = this.#links.urlOf(name ?? "");
    const settings = {
      ...commandLine(invocation, name, linkUrl, this.#broker),
      command: invocation.command,
      name: name ?? invocation.command,
      binDir: this.#settings.binDir,
      folder: this.#folder,
      python: this.#python,
    };
    return name === null ? settings : { ...settings, ...this.#listeners(settings) };
  }

  #listeners({ name, command, args }: ProcessSettings) {
    const typedCommand = asTyped({ command, args });
    return {
      onStart: (pid: number) => this.#sink({ event: "process", name, pid, command: typedCommand }),
      onEvent: (event: ProcessEvent) => this.#orderer.add(event),
      onOutputEnd: () => {
        this.#links.clientEnded(name);
        return this.#orderer.passed(event => event.process === name);
      },
    };
  }

  /** Shows an event, then records it, so that no verdict comes before its evidence. */
  async #emit(event: ProcessEvent): Promise<void> {
    if (event.process === BROKER && event.event === "listening")
      this.#broker.brokerOption = this.#broker.connectedUrl = event.url;
    // After Ctrl-C, an error of a process is a consequence and needs no attention.
    if (this.#settings.signal.aborted && event.event === "error") return;
    await this.#sink(event);
    this.#eventLog.record(event);
  }
}
