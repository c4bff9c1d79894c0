import type { ProcessEvent } from "../../events/events.js";
import { BROKER } from "../language/constants.js";
import { processIn, type Step, type Steps } from "../language/step-schema.js";
import { brokerSteps } from "./broker-steps.js";
import { cleanUp } from "./cleanup.js";
import { asTyped, commandLine, type RunBroker } from "./command-line.js";
import { EventLog } from "./event-log.js";
import { EventOrderer } from "./event-orderer.js";
import { ExpectationError, Expectations } from "./expectations.js";
import { LessonLinks } from "./lesson-links.js";
import type { Invocation, ProcessSettings } from "./lesson-process.js";
import { type PreparedRun, runsSlideCode } from "./prepare-run.js";
import { ProcessGroup } from "./process-group.js";
import { Quiz } from "./quiz.js";
import type { LessonSink, RunSettings } from "./run-settings.js";
import { Verdicts } from "./verdicts.js";

/** The longest wait for an event that the broker is known not to send. */
const MAX_KNOWN_DEVIATION_SECONDS = 5;

export type RunCounts = Verdicts["counts"] & Quiz["score"];

/** Performs the steps of a lesson on its broker. */
export class LessonRun {
  /** Aborted when the lesson can't go on: after Ctrl-C, or when a process has failed. */
  readonly #abort = new AbortController();
  readonly #eventLog = new EventLog();
  readonly #orderer = new EventOrderer(event => this.#emit(event));
  readonly #processes = new ProcessGroup(this.#eventLog, this.#abort);
  readonly #expectations = new Expectations(this.#eventLog);
  readonly #broker: RunBroker;
  readonly #links: LessonLinks;
  readonly #verdicts: Verdicts;
  readonly #quiz: Quiz;
  /** Processes that can't run here, and the names of optional events that did not come. */
  readonly #unavailable = new Set<string>();
  #stepNumber = 0;

  constructor(
    private readonly prepared: PreparedRun,
    private readonly settings: RunSettings,
    private readonly sink: LessonSink,
  ) {
    const { lesson, python } = prepared;
    this.#broker = { ...prepared.broker };
    this.#links = new LessonLinks(lesson.steps, this.#broker, this.#orderer);
    this.#verdicts = new Verdicts(sink);
    this.#quiz = new Quiz(settings.prompts, sink);
    const starts = lesson.steps.filter(step => step.kind === "start");
    if (python === null) for (const step of starts.filter(runsSlideCode)) this.#unavailable.add(step.start);
  }

  async play(): Promise<void> {
    const { signal, external, onDisk } = this.settings;
    const { lesson } = this.prepared;
    const leave = () => this.#abort.abort(new Error("the lesson was stopped"));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave);
    const firstSteps = external ? [] : brokerSteps(lesson, onDisk);
    for (const step of [...firstSteps, ...lesson.steps]) if (!(await this.#succeeds(step))) break;
    if (this.#verdicts.counts.failed === 0 && !signal.aborted) await this.#quiz.reveal();
    signal.removeEventListener("abort", leave);
  }

  /** Ends the processes, and removes what they left on an external broker. */
  async end(): Promise<void> {
    await this.#links.mendAll();
    await this.#processes.stopAll();
    this.#links.close();
    if (this.settings.external === null) return;
    const commands = this.prepared.lesson.cleanup.map(command => this.#processSettings(command, null));
    await cleanUp(commands, this.sink);
  }

  get counts(): RunCounts {
    return { ...this.#verdicts.counts, ...this.#quiz.score };
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
      if (!this.settings.signal.aborted) await this.#verdicts.fail(step, error);
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
    await this.settings.prompts.ready();
    this.#abort.signal.throwIfAborted();
    this.#stepNumber++;
    await this.sink({ event: "step", number: this.#stepNumber, say });
  }

  async #start({ start, run, exit }: Steps["start"]): Promise<void> {
    await this.#links.open(start);
    await this.#processes.start(this.#processSettings(run, start), exit);
  }

  async #expect(step: Steps["expect"]): Promise<void> {
    if (this.settings.external && step.from === BROKER) return this.#verdicts.leaveOut(step);
    const known = this.prepared.knownDeviations.find(({ claim }) => claim === step.what);
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
      binDir: this.settings.binDir,
      folder: this.prepared.folder,
      python: this.prepared.python,
    };
    return name === null ? settings : { ...settings, ...this.#listeners(settings) };
  }

  #listeners({ name, command, args }: ProcessSettings) {
    const typedCommand = asTyped({ command, args });
    return {
      onStart: (pid: number) => this.sink({ event: "process", name, pid, command: typedCommand }),
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
    if (this.settings.signal.aborted && event.event === "error") return;
    await this.sink(event);
    this.#eventLog.record(event);
  }
}
