/**
 * Ctrl-C, SIGTERM or `stop` over IPC; --timeout; stdout closed by its reader; stdout not writable; another fleet
 * has machines of the same names.
 */
export type StopReason = "interrupted" | "timeout" | "output-gone" | "output-failed" | "names-in-use";

/** A running client's way to the terminal and the operating system. */
export interface RunContext {
  /** Aborted, with a StopReason, when it is time to end gracefully. */
  stop: AbortSignal;
  /** Resolves when Enter is pressed, or when standard input has ended. */
  enter(): Promise<"pressed" | "ended">;
  /** Standard input. */
  input: () => AsyncIterable<Buffer>;
  /**
   * Resolves with the next key, or with null without a keyboard or when it is time to end.
   * @param fresh ignores keys pressed earlier
   */
  key(fresh: boolean): Promise<string | null>;
  /**
   * Asks for a text without showing it; through a pipe, reads the first line without asking.
   * Resolves with null when nothing was entered or when it is time to end.
   */
  secret: (question: string) => Promise<{ text: string; isTyped: boolean } | null>;
  /** Flushes stdout and stderr, then kills this process by SIGKILL. */
  crash(): Promise<never>;
}

/** Milliseconds for the last acknowledgments when --timeout has passed; undefined: the connection's default. */
export const ackTimeoutMs = ({ stop }: RunContext): number | undefined =>
  stop.reason === "timeout" ? 500 : undefined;
