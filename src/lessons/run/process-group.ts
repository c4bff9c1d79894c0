import type { EventLog } from "./event-log.js";
import {
  type ProcessExit,
  type LessonProcess,
  type ProcessSettings,
  exitsWithin,
  startProcess,
  stopOrKill,
} from "./lesson-process.js";
import type { Steps } from "../language/lesson-schema.js";
import { COMMANDS } from "../language/constants.js";

/** Milliseconds that a process has to stop gracefully, what is in flight included. */
const PATIENCE = 5_000;

export type Exit = Steps["start"]["exit"];

/**
 * The processes of one run. One that ends with a failure, or a broker that ends at all, without the lesson having
 * asked for it, ends the run: `over` is aborted with an error that says which, and how.
 */
export class ProcessGroup {
  readonly #journal: EventLog;
  readonly #over: AbortController;
  readonly #running = new Map<string, LessonProcess>();
  /** Those that were asked to end. */
  readonly #leaving = new Set<LessonProcess>();

  constructor(journal: EventLog, over: AbortController) {
    this.#journal = journal;
    this.#over = over;
  }

  /**
   * A name can be used again; one that is about to end by itself is waited for.
   * @param exit how a client may end by itself
   */
  async start(settings: ProcessSettings, exit: Exit): Promise<void> {
    const { name } = settings;
    const before = this.#running.get(name);
    if (before && !(await exitsWithin(before, PATIENCE)))
      throw new Error(`${name} is still running: stop or kill it before it starts again`);
    this.#journal.started(name);
    const running = await startProcess(settings);
    this.#running.set(name, running);
    running.ended.then(
      end => this.#ended(running, exit, end),
      (error: unknown) => this.#over.abort(error),
    );
  }

  async stop(name: string): Promise<void> {
    const leaving = this.#leave(name);
    if (leaving && !(await stopOrKill(leaving, PATIENCE)))
      throw new Error(`${name} had not stopped after ${PATIENCE / 1_000} s, and was killed`);
  }

  async kill(name: string): Promise<void> {
    const leaving = this.#leave(name);
    leaving?.kill();
    await leaving?.ended;
  }

  /** Ends all that still run, the brokers last, so that no client finds its broker gone. */
  async dismiss(): Promise<void> {
    for (const role of ["client", "broker"]) {
      const names = [...this.#running.values()].filter(({ command }) => COMMANDS[command] === role);
      // oxlint-disable-next-line no-await-in-loop -- one role after the other
      await Promise.allSettled(names.map(({ name }) => this.stop(name)));
    }
  }

  /** One that has ended by itself already has nothing left to do. */
  #leave(name: string): LessonProcess | undefined {
    const leaving = this.#running.get(name);
    if (leaving) this.#leaving.add(leaving);
    return leaving;
  }

  #ended(gone: LessonProcess, exit: Exit, end: ProcessExit): void {
    this.#running.delete(gone.name);
    const expected = COMMANDS[gone.command] === "client" && isEnd(end, exit);
    if (!expected && !this.#leaving.has(gone)) this.#over.abort(new Error(exitMessage(gone, end)));
    this.#journal.ended(gone.name);
  }
}

/** Where there are no signals, a crash is an exit code. */
const isEnd = ({ code, signal }: ProcessExit, exit: Exit): boolean =>
  exit === "crash" ? signal !== null || code !== 0 : code === exit;

export function exitMessage(
  { name, command, pid }: LessonProcess,
  { code, signal, complaint }: ProcessExit,
): string {
  const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
  return `${name} (${command}, pid ${pid}) ${how}${complaint ? `: ${complaint}` : ""}`;
}
