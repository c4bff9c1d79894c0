/** What a command ends with; contract: 0 done, 1 failed, 2 used wrongly, 27 timed out, 130 left before done. */
export const ExitCode = { done: 0, failed: 1, usage: 2, timedOut: 27, leftEarly: 130 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * A failure that the user can do something about: one line on what is wrong and why, one on what to do next.
 * Commands print both, without a stack trace.
 */
export class UserError extends Error {
  override readonly name = "UserError";

  constructor(
    /** Stable, for scripts: `no-broker`, `bad-value`, … */
    readonly code: string,
    message: string,
    /** What to type or do next. */
    readonly hint: string,
    readonly exitCode: ExitCode = ExitCode.failed,
  ) {
    super(message);
  }
}

/** By name and not by `instanceof`: each built command may carry its own copy of the class. */
export const isUserError = (error: unknown): error is UserError =>
  error instanceof Error && error.name === "UserError";

/** The command was used wrongly: exit code 2, and nothing was started. */
export const usageError = (code: string, message: string, hint: string) =>
  new UserError(code, message, hint, ExitCode.usage);

/** Options that exclude each other, or that need another. */
export const conflictError = (what: string, hint = "Use one of them.") =>
  usageError("contradiction", `${what}.`, hint);

/** The `error` event that tells of a failure; one that nobody foresaw says so. */
export function errorEvent(error: unknown): { event: "error"; code: string; message: string; hint: string } {
  if (isUserError(error))
    return { event: "error", code: error.code, message: error.message, hint: error.hint };
  const message = `something went wrong that should not have: ${error instanceof Error ? error.message : String(error)}`;
  return {
    event: "error",
    code: "unexpected",
    message,
    hint: "Run it again with --debug, and report what it prints.",
  };
}

export const exitCodeOf = (error: unknown): ExitCode =>
  isUserError(error) ? error.exitCode : ExitCode.failed;
