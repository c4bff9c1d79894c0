import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { command, temporaryFolder } from "../support/processes.js";
import { root } from "../support/paths.js";

const folder = path.join(root, "examples", "exercises");
const GAP = "___";

interface Solution {
  /** Answers in the order of the gaps. */
  right: string[];
  /** Likely mistakes of a student. */
  wrong: string[];
}

const solutions: Record<string, Solution> = {
  "silence.yaml": { right: ["keep-alive", "offline"], wrong: ["network", "offline"] },
  "queue.yaml": { right: ["--subscribe-only", "1", "queued"], wrong: ["--subscribe-only", "0", "queued"] },
  "late.yaml": { right: ["--retain", "2", "retained"], wrong: ["--retain", "1", "retained"] },
  "again.yaml": { right: ["--hold-acks", "true", "redelivered"], wrong: ["--hold-acks", "false", "live"] },
  "goodbye.yaml": {
    right: ["no-disconnect", "graceful", "stopped"],
    wrong: ["no-disconnect", "no-disconnect", "offline"],
  },
};

/** Runs an exercise with these answers in its gaps. */
async function runWith(t: TestContext, file: string, answers: string[]) {
  const mine = path.join(temporaryFolder(t), file);
  const [start = "", ...rest] = readFileSync(path.join(folder, file), "utf8").split(GAP_IN_STEPS);
  writeFileSync(mine, start + rest.map((text, i) => (answers[i] ?? GAP) + text).join(""));
  const lesson = command(t, "lwt-demo", [mine]);
  return { exit: await lesson.exit(), lesson };
}

/** Skips the gaps that comments mention. */
const GAP_IN_STEPS = /(?<!^#.*)___/gm;

test("every exercise has a solution here", () => {
  assert.deepEqual(readdirSync(folder).toSorted(), Object.keys(solutions).toSorted());
});

for (const [file, { right, wrong }] of Object.entries(solutions)) {
  test(`${file}: without answers, an error gives the place of the first gap and the number of gaps`, async t => {
    const { exit, lesson } = await runWith(t, file, []);
    assert.equal(exit, 2);
    const [{ code, message, hint } = assert.fail()] = lesson.all("error");
    assert.equal(code, "gaps");
    const lines = readFileSync(path.join(folder, file), "utf8").split("\n");
    const line = lines.findIndex(line => line.includes(GAP) && !line.trim().startsWith("#")) + 1;
    assert.match(message, new RegExp(String.raw`${file}:${line}:\d+: fill in ___ \(1 of ${right.length}\)`));
    assert.match(hint, /comment above/);
    assert.deepEqual(lesson.all("process"), [], "nothing has been started");
  });

  test(`${file}: with the right answers it passes`, async t => {
    const { exit, lesson } = await runWith(t, file, right);
    assert.equal(exit, 0, lesson.stdout);
    assert.equal((await lesson.event("result")).passed, true);
  });

  test(`${file}: with a mistake it fails`, async t => {
    const { exit, lesson } = await runWith(t, file, wrong);
    assert.equal(exit, 1, lesson.stdout);
    assert.equal((await lesson.event("result")).passed, false);
  });
}
