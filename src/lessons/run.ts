import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LessonEvent, ProcessEvent, Sink } from "../events.js";
import { Cast } from "./cast.js";
import { Chronology } from "./chronology.js";
import { Journal } from "./journal.js";
import type { Lesson, Step, Steps } from "./schema.js";
import { BROKER, COMMANDS, type Command } from "./vocabulary.js";
import { insteadOf, purposeOf } from "./wording.js";

export interface RunSettings {
  /** The folder of the committed bin/*.cjs. */
  binDir: string;
  /** Ends the run early; its processes are stopped first. */
  signal: AbortSignal;
}

export type LessonResult = Extract<LessonEvent, { event: "result" }>;
export type LessonSink = Sink<LessonEvent | ProcessEvent>;

/** Seconds that the broker has to say where it listens. */
const BROKER_START = 10;

/**
 * Runs a lesson over real processes, its own broker first, and ends them all before it returns. Nothing is thrown
 * for what a lesson finds: `result`, the last event and the return value, tells.
 */
export async function runLesson(
  lesson: Lesson,
  settings: RunSettings,
  sink: LessonSink,
): Promise<LessonResult> {
  const folder = await mkdtemp(path.join(tmpdir(), "lwt-lesson-"));
  const run = new Run(lesson, settings, folder, sink);
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

class Run {
  readonly #lesson: Lesson;
  readonly #settings: RunSettings;
  readonly #folder: string;
  readonly #sink: LessonSink;
  readonly #journal = new Journal();
  /** Aborted when the lesson can't go on: Ctrl-C, or a process that died. */
  readonly #over = new AbortController();
  readonly #cast = new Cast(this.#journal, this.#over);
  readonly #chronology = new Chronology(event => this.#tell(event));
  #brokerUrl = "";
  #number = 0;
  #held = 0;
  #failed = 0;

  constructor(lesson: Lesson, settings: RunSettings, folder: string, sink: LessonSink) {
    this.#lesson = lesson;
    this.#settings = settings;
    this.#folder = folder;
    this.#sink = sink;
  }

  async play(): Promise<void> {
    const { signal } = this.#settings;
    const leave = () => this.#over.abort(new Error("the lesson was left"));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave);
    await this.#sink(lessonEvent(this.#lesson));
    for (const step of [...BROKER_FIRST, ...this.#lesson.steps]) {
      if (!(await this.#succeeds(step))) break;
    }
    signal.removeEventListener("abort", leave);
  }

  end(): Promise<void> {
    return this.#cast.dismiss();
  }

  result(): LessonResult {
    const left = this.#settings.signal.aborted;
    const [held, failed] = [this.#held, this.#failed];
    const passed = failed === 0 && !left;
    return {
      event: "result",
      lesson: this.#lesson.name,
      passed,
      held,
      failed,
      skipped: left ? "interrupted" : null,
    };
  }

  /** A failure ends the lesson: what comes after it would only fail for the same reason. */
  async #succeeds(step: Step): Promise<boolean> {
    try {
      this.#over.signal.throwIfAborted();
      await this.#perform(step.kind, step);
      return true;
    } catch (error) {
      if (!this.#settings.signal.aborted) await this.#fail(step, error);
      return false;
    }
  }

  async #fail(step: Step, error: unknown): Promise<void> {
    this.#failed++;
    const instead = error instanceof Error ? error.message : String(error);
    const clause = step.kind === "expect" ? (step.clause ?? null) : null;
    await this.#sink({ event: "expected", what: purposeOf(step), held: false, clause, instead });
  }

  #perform<Kind extends Step["kind"]>(kind: Kind, step: Steps[Kind]): Promise<void> {
    const act: { [Each in Step["kind"]]: (step: Steps[Each]) => Promise<void> } = {
      say: ({ say }) => this.#say(say),
      start: ({ start, run: { command, args } }) => this.#start(start, command, args),
      stop: ({ stop }) => this.#cast.stop(stop),
      kill: ({ kill }) => this.#cast.kill(kill),
      expect: expected => this.#expect(expected),
    };
    return act[kind](step);
  }

  async #say(say: string): Promise<void> {
    this.#number++;
    await this.#sink({ event: "step", number: this.#number, say });
  }

  #start(name: string, command: Command, args: string[]): Promise<void> {
    const where = COMMANDS[command] === "client" ? ["--broker", this.#brokerUrl] : [];
    return this.#cast.start({
      name,
      command,
      args: [...args, ...where],
      binDir: this.#settings.binDir,
      folder: this.#folder,
      onStart: pid =>
        this.#sink({ event: "process", name, pid, command: [command, ...args, ...where].join(" ") }),
      onEvent: event => this.#chronology.take(event),
      onSilence: () => this.#chronology.passed(name),
    });
  }

  /** Shown before it is judged, so that a verdict never comes ahead of its evidence. */
  async #tell(event: ProcessEvent): Promise<void> {
    if (event.process === BROKER && event.event === "listening") this.#brokerUrl = event.url;
    await this.#sink(event);
    this.#journal.record(event);
  }

  async #expect(step: Steps["expect"]): Promise<void> {
    const wanted = { from: step.from, pattern: { event: step.expect, where: step.where }, never: step.never };
    const outcome = await this.#journal.find(wanted, step.within * 1_000, this.#over.signal);
    if (outcome.is !== "found") throw new Error(insteadOf(step, outcome));
    const verdict = { what: purposeOf(step), held: true, clause: step.clause ?? null };
    if (step.what === undefined) return this.#sink({ event: "observed", ...verdict });
    this.#held++;
    return this.#sink({ event: "expected", ...verdict, instead: null });
  }
}

/** The lesson's broker, on a free port. */
const BROKER_FIRST: Step[] = [
  { kind: "start", start: BROKER, run: { command: "lwt-broker", args: ["--port", "0"] } },
  { kind: "expect", expect: "listening", from: BROKER, where: {}, within: BROKER_START },
];

/** What a lesson is, and who takes part in it: the broker, and each process once. */
export function lessonEvent({
  name,
  title,
  claims,
  steps,
}: Lesson): Extract<LessonEvent, { event: "lesson" }> {
  const commands = new Map<string, string>([[BROKER, "lwt-broker"]]);
  for (const step of steps) if (step.kind === "start") commands.set(step.start, step.run.command);
  const participants = [...commands].map(([participant, command]) => ({ name: participant, command }));
  return { event: "lesson", name, title, claims, participants };
}
