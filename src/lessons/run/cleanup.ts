import type { LessonEvent, Sink } from "../../events/events.js";
import { exitMessage } from "./process-group.js";
import { exitsWithin, type ProcessSettings, startProcess } from "./lesson-process.js";

/** Milliseconds that each command has. */
const PATIENCE = 8_000;
/** Seconds: a broker that isn't there any more keeps nobody waiting. */
const CONNECT_TIMEOUT = "3";

/** Runs them side by side; a warning names those that failed. */
export async function cleanUp(commands: ProcessSettings[], sink: Sink<LessonEvent>): Promise<void> {
  const problems = await Promise.all(commands.map(problemOf));
  const failed = problems.filter(problem => problem !== null);
  if (failed.length === 0) return;
  const lines = commands
    .filter((_, i) => problems[i] !== null)
    .map(({ command, args }) => [command, ...args].join(" "));
  await sink({
    event: "warning",
    code: "not-cleaned-up",
    message: `what this lesson stored on the broker may still be there: ${failed[0]}`,
    hint: `To try again: npx ${lines.join("; npx ")}`,
  });
}

async function problemOf(settings: ProcessSettings): Promise<string | null> {
  const args = [...settings.args, "--connect-timeout", CONNECT_TIMEOUT];
  const running = await startProcess({ ...settings, args });
  if (!(await exitsWithin(running, PATIENCE))) running.kill();
  const end = await running.ended;
  return end.code === 0 ? null : exitMessage(running, end);
}
