/**
 * Ctrl-C, SIGTERM or `stop` over IPC; --timeout; nobody reads stdout any more; it can't be written to; another fleet has
 * machines of the same names.
 */
export type StopReason = "interrupted" | "timeout" | "output-gone" | "output-failed" | "names-in-use";

/** Milliseconds that the end may take when the time was up already; undefined: as long as it usually may. */
export const patienceOf = ({ stop }: RunContext): number | undefined =>
  stop.reason === "timeout" ? 500 : undefined;

/** What the world outside tells a running client. */
export interface RunContext {
  /** Aborted, with a StopReason, when it is time to end gracefully. */
  stop: AbortSignal;
  /** Kept when Enter is pressed, or can't be any more. */
  enter(): Promise<"pressed" | "ended">;
  /** Standard input; ends with it. */
  input: () => AsyncIterable<Buffer>;
  /**
   * The next key; null where there is no keyboard, or when it is time to end.
   * @param fresh what was pressed before does not count
   */
  key(fresh: boolean): Promise<string | null>;
  /**
   * What is typed at that question, without being shown; through a pipe, its first line, without the question.
   * Null: nothing came, or it is time to end.
   */
  secret: (question: string) => Promise<{ text: string; isTyped: boolean } | null>;
  /** Kills this process as a crash would, once what it said has been written; never returns. */
  crash(): Promise<never>;
}

/** Kept when the signal is aborted. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** What the promise gives; null when the signal is aborted before. Promise.race would keep something of each for ever. */
export const unlessAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T | null> =>
  new Promise((resolve, reject) => {
    const giveUp = () => resolve(null);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });

/** Milliseconds, or until the signal is aborted. */
export const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
