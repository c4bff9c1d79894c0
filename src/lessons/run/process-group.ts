import { COMMANDS } from "../language/constants.js";
import type { Steps } from "../language/step-schema.js";
import type { EventLog } from "./event-log.js";
import {
  exitsWithin,
  type LessonProcess,
  type ProcessExit,
  type ProcessSettings,
  startProcess,
  stopOrKill,
} from "./lesson-process.js";

/** Milliseconds for a graceful stop, messages in flight included. */
const STOP_TIMEOUT_MS = 5_000;

type AllowedExit = Steps["start"]["exit"];

/**
 * The processes of one run. A broker that ends, or a client that ends in another way than the lesson allows, aborts
 * the run with an error, unless the lesson has stopped or killed it.
 */
export class ProcessGroup {
  readonly #running = new Map<string, LessonProcess>();
  /** Processes that the lesson has stopped or killed. */
  readonly #stopping = new Set<LessonProcess>();

  constructor(
    private readonly eventLog: EventLog,
    private readonly run: AbortController,
  ) {}

  /** Starts a process, after the end of an earlier one with the same name. */
  async start(settings: ProcessSettings, allowedExit: AllowedExit): Promise<void> {
    const { name } = settings;
    const previous = this.#running.get(name);
    if (previous && !(await exitsWithin(previous, STOP_TIMEOUT_MS)))
      throw new Error(`${name} is still running: stop or kill it before it starts again`);
    this.eventLog.reset(name);
    const running = await startProcess(settings);
    this.#running.set(name, running);
    running.ended.then(
      exit => this.#onEnd(running, allowedExit, exit),
      (error: unknown) => this.run.abort(error),
    );
  }

  async stop(name: string): Promise<void> {
    const stopping = this.#markStopping(name);
    if (stopping && !(await stopOrKill(stopping, STOP_TIMEOUT_MS)))
      throw new Error(`${name} had not stopped after ${STOP_TIMEOUT_MS / 1_000} s, and was killed`);
  }

  async kill(name: string): Promise<void> {
    const stopping = this.#markStopping(name);
    stopping?.kill();
    await stopping?.ended;
  }

  /** Stops the clients, then the brokers, so that no client loses its broker. */
  async stopAll(): Promise<void> {
    for (const role of ["client", "broker"]) {
      const ofRole = [...this.#running.values()].filter(({ command }) => COMMANDS[command] === role);
      // oxlint-disable-next-line no-await-in-loop -- one role after the other
      await Promise.allSettled(ofRole.map(({ name }) => this.stop(name)));
    }
  }

  /** Returns the process, or undefined if it has already ended. */
  #markStopping(name: string): LessonProcess | undefined {
    const running = this.#running.get(name);
    if (running) this.#stopping.add(running);
    return running;
  }

  #onEnd(ended: LessonProcess, allowedExit: AllowedExit, exit: ProcessExit): void {
    this.#running.delete(ended.name);
    const isAllowed = COMMANDS[ended.command] === "client" && isExit(exit, allowedExit);
    if (!isAllowed && !this.#stopping.has(ended)) this.run.abort(new Error(exitMessage(ended, exit)));
    this.eventLog.markEnded(ended.name);
  }
}

/** On systems without signals, a crash is an exit code. */
const isExit = ({ code, signal }: ProcessExit, allowed: AllowedExit): boolean =>
  allowed === "crash" ? signal !== null || code !== 0 : code === allowed;

export function exitMessage(
  { name, command, pid }: LessonProcess,
  { code, signal, error }: ProcessExit,
): string {
  const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
  return `${name} (${command}, pid ${pid}) ${how}${error ? `: ${error}` : ""}`;
}
