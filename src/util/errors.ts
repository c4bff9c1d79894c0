/** 27 is mosquitto_sub's code for a time-out, 130 the shell's for Ctrl-C. */
export const ExitCode = { done: 0, failed: 1, usage: 2, timedOut: 27, leftEarly: 130 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A failure that the user can fix. Commands print its message and its hint, without a stack trace. */
export class UserError extends Error {
  override readonly name = "UserError";

  constructor(
    /** Stable, for scripts: `no-broker`, `bad-value`, … */
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly exitCode: ExitCode = ExitCode.failed,
  ) {
    super(message);
  }
}

/** By name and not by `instanceof`: each built command may carry its own copy of the class. */
export const isUserError = (error: unknown): error is UserError =>
  error instanceof Error && error.name === "UserError";

export const usageError = (code: string, message: string, hint: string) =>
  new UserError(code, message, hint, ExitCode.usage);

/** Options that exclude or need each other. */
export const conflictError = (what: string, hint = "Use one of them.") =>
  usageError("contradiction", `${what}.`, hint);

/** Returns the `error` event for a failure; its code is `unexpected` unless it is a UserError. */
export function errorEvent(error: unknown): { event: "error"; code: string; message: string; hint: string } {
  if (isUserError(error))
    return { event: "error", code: error.code, message: error.message, hint: error.hint };
  const message = `unexpected error: ${error instanceof Error ? error.message : String(error)}`;
  return {
    event: "error",
    code: "unexpected",
    message,
    hint: "Run the command again with --debug, and report its output.",
  };
}

export const exitCodeOf = (error: unknown): ExitCode =>
  isUserError(error) ? error.exitCode : ExitCode.failed;
