import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { Running } from "../support/processes.js";
import { root } from "../support/paths.js";

const bench = path.join(root, "test", "bench", "run.ts");

test("the start-up benchmark measures each contestant against the floor, in 80 columns", async t => {
  const args = ["--import", "tsx", bench, "startup", "1"];
  const run = new Running(t, spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] }));
  await run.waitFor("table", () => /lwt-broker {2,}.*\n$/.exec(run.stdout)?.[0]);
  assert.equal(await run.exit(), 0, run.stderr);
  const lines = run.stdout.trimEnd().split("\n");
  for (const line of lines) assert.ok(line.length <= 80, line);
  const [floor, ...others] = lines.filter(line => /\d+\.\d +\d+\.\d\d/.test(line));
  assert.match(floor ?? "", /^node -e 0 +\d+\.\d +1\.00$/);
  const jobs = others.map(line => line.slice(0, 30).trim());
  for (const job of ["pub-lwt --version", "pub-lwt, one message", "sub-lwt --subscribe-only"])
    assert.ok(jobs.includes(job), `${job} in ${jobs.join(", ")}`);
});
