// Lessons that tests write for themselves, and how they are run.
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
export const READY = `${SUBSCRIBER}  - expect: subscribed\n    from: Sub\n`;
/** Waits for what never comes, so that a test can interfere. */
export const FOREVER = "  - expect: status\n    from: Sub\n    within: 60\n    what: a status comes\n";

/** lwt-demo with a lesson of these steps; what it leaves in its temporary folder goes with the test. */
export function demo(
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

export function assertAllGone(run: Running): void {
  const processes = run.all("process");
  assert.ok(processes.length > 0);
  for (const { name, pid } of processes)
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, `${name} is still there`);
}

/** What is shown of a lesson without --json. */
export function textOf(run: Running): string {
  const render = sequenceDiagram(plainScreen);
  const outs = run.events.flatMap(event => render(event as Timed<LessonEvent | ProcessEvent>)?.out ?? []);
  return outs.map(out => `${out}\n`).join("");
}

export function lastResult(run: Running) {
  const last = run.events.at(-1);
  assert.equal(last?.event, "result");
  return last;
}

export const STORED = "  - start: Sub\n    run: sub-lwt -t {ns}/+/SensorData\n";
export const CUT =
  "  - start: M\n    run: pub-lwt --interval 0.1\n  - expect: acknowledged\n    from: M\n  - cut: M\n";
