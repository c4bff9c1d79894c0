import type { LessonEvent, Sink } from "../../events/events.js";
import { exitsWithin, type ProcessSettings, startProcess } from "./lesson-process.js";
import { shellQuote } from "../../util/shell-quote.js";
import { exitMessage } from "./process-group.js";

const COMMAND_TIMEOUT_MS = 8_000;
/** Short, so that a broker that has ended delays nobody. */
const CONNECT_TIMEOUT_SECONDS = 3;

/** Runs the commands at the same time. A warning lists those that failed. */
export async function cleanUp(commands: ProcessSettings[], sink: Sink<LessonEvent>): Promise<void> {
  const problems = await Promise.all(commands.map(problemOf));
  const [problem] = problems.filter(each => each !== null);
  if (problem === undefined) return;
  const failed = commands
    .filter((_, i) => problems[i] !== null)
    .map(({ command, args }) => [command, ...args.map(shellQuote)].join(" "));
  await sink({
    event: "warning",
    code: "not-cleaned-up",
    message: `the broker may still store the sessions of this lesson: ${problem}`,
    hint: `To try again: npx ${failed.join("; npx ")}`,
  });
}

async function problemOf(settings: ProcessSettings): Promise<string | null> {
  const args = [...settings.args, "--connect-timeout", String(CONNECT_TIMEOUT_SECONDS)];
  const running = await startProcess({ ...settings, args });
  if (!(await exitsWithin(running, COMMAND_TIMEOUT_MS))) running.kill();
  const exit = await running.ended;
  return exit.code === 0 ? null : exitMessage(running, exit);
}
