import { ExitCode, usageError } from "../util/errors.js";
import { escapeText } from "../render/escape.js";
import type { Job } from "./run-job.js";

/** Prepares `lwt-broker passwd FILE USER`: asks for a password and writes its hash. @throws UserError exit code 2 */
export function passwdStart([file, user, ...more]: string[]): Job["start"] {
  if (more.length > 0)
    throw usageError(
      "unexpected-word",
      "passwd takes a file and a user name only. It asks for the password.",
      "Omit the password: others could read the command line. Type it when asked, or use a pipe.",
    );
  if (!file || user === undefined)
    throw usageError(
      "missing-word",
      "passwd needs a file and a user name.",
      "For example: lwt-broker passwd users.txt anna",
    );
  return async (sink, { secret }) => {
    const { MAX_PASSWORD_BYTES, setPassword, userNameProblem } = await import("../broker/auth/users.js");
    const problem = userNameProblem(user);
    if (problem)
      throw usageError("bad-user", `the user name is not allowed: ${problem}.`, "Choose another name.");
    const first = await secret(`Password for ${escapeText(user)}: `);
    if (first === null) return ExitCode.leftEarly;
    const { text, isTyped } = first;
    if (text === "" || Buffer.byteLength(text) > MAX_PASSWORD_BYTES)
      throw usageError(
        "bad-password",
        `a password has 1 to ${MAX_PASSWORD_BYTES} bytes.`,
        "The file is unchanged. Run the command again.",
      );
    if (isTyped) {
      const again = await secret("Repeat it: ");
      if (again === null) return ExitCode.leftEarly;
      if (again.text !== text)
        throw usageError(
          "bad-password",
          "the two passwords differ.",
          "The file is unchanged. Run the command again.",
        );
    }
    const added = await setPassword(file, user, text);
    await sink({ event: "password-set", file, user, added });
    return ExitCode.done;
  };
}
