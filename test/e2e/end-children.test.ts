import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Running } from "../support/processes.js";
import { supportFile } from "../support/paths.js";

/** Starts a process that has its stderr too, and goes on for as long as a test is waited for. */
const RUNNER = `
  import { endChildren } from ${JSON.stringify(pathToFileURL(supportFile("end-children.ts")).href)};
  import { spawn } from "node:child_process";
  endChildren();
  spawn(process.execPath, ["-e", "console.error('started'); setTimeout(() => {}, 150_000)"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
`;

test("a runner that is told to end takes what it has started with it", {
  skip: process.platform === "win32" && "there a signal just ends it",
}, async t => {
  const node = ["--import", "tsx", "--input-type=module", "--eval", RUNNER];
  for (const [signal, exitCode] of [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const) {
    const child = spawn(process.execPath, node, { stdio: ["ignore", "pipe", "pipe"] });
    const runner = new Running(t, child);
    await runner.outputHas("started");
    child.kill(signal);
    assert.equal(await runner.exit(), exitCode); // when nobody has its stderr any more
  }
});
