// Lessons that tests write and run.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import type { LessonEvent, ProcessEvent, Timed } from "../../src/events/events.js";
import { sequenceDiagram } from "../../src/render/sequence-diagram/sequence-diagram.js";
import { command, type Running, temporaryFolder } from "./processes.js";
import { plainScreen } from "./screens.js";

export const HEAD = "name: mine\ntitle: my own\nsteps:\n";
export const SUBSCRIBER = "  - start: Sub\n    run: sub-lwt\n";
export const SUBSCRIBED = `${SUBSCRIBER}  - expect: subscribed\n    from: Sub\n`;
/** Waits for a status that does not come, so that a test has time to interfere. */
export const WAIT_FOR_NOTHING =
  "  - expect: status\n    from: Sub\n    within: 60\n    what: a status comes\n";
export const SUBSCRIBER_OF_READINGS = "  - start: Sub\n    run: sub-lwt -t {ns}/+/SensorData\n";
export const PUBLISHER_CUT =
  "  - start: M\n    run: pub-lwt --interval 0.1\n  - expect: acknowledged\n    from: M\n  - cut: M\n";

/** Runs lwt-demo with a lesson of these steps, in a folder that is also its temporary folder. */
export function runSteps(
  t: TestContext,
  steps: string,
  { args = [] as string[], json = true, folder = temporaryFolder(t), env = {} } = {},
): Running {
  writeFileSync(path.join(folder, "mine.yaml"), HEAD + steps);
  return command(t, "lwt-demo", ["./mine.yaml", ...args], {
    cwd: folder,
    env: { TMPDIR: folder, ...env },
    json,
  });
}

export function assertAllEnded(run: Running): void {
  const processes = run.all("process");
  assert.ok(processes.length > 0);
  for (const { name, pid } of processes)
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, `${name} is still there`);
}

/** Returns the text that lwt-demo shows without --json. */
export function renderedText(run: Running): string {
  const render = sequenceDiagram(plainScreen);
  const outs = run.events.flatMap(event => render(event as Timed<LessonEvent | ProcessEvent>)?.out ?? []);
  return outs.map(out => `${out}\n`).join("");
}

export function lastResult(run: Running) {
  const last = run.events.at(-1);
  assert.equal(last?.event, "result");
  return last;
}
