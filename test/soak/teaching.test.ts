import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { lessonNames } from "../../src/lessons/catalogue.js";
import { command, lwtBroker, rerouted, type Running, temporaryFolder } from "../support/processes.js";
import { root } from "../support/paths.js";

const text = readFileSync(path.join(root, "docs", "how-to", "teach-a-class.md"), "utf8");
const blocks = [...text.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block = ""]) => block.trim().split("\n"));
const inline = [...text.matchAll(/`(npx [^`]+)`/g)].map(([, line = ""]) => line);
const commands = [...new Set([...blocks, ...inline])];

/** The teacher's address in the document. */
const TEACHER_ADDRESS = "192.168.1.20:1883";

/** Checks the end of a command. The first pattern that matches applies. */
const endings: [pattern: RegExp, end: (run: Running) => Promise<void>][] = [
  [/exercises/, run => exits(run, 2, /fill in ___/)],
  [/lwt-demo/, run => exits(run, 0, /./)],
  [/--fail/, failsOnEnter],
  [/--host 0\.0\.0\.0/, run => stops(run, /anyone on this computer's network can/)],
  [/--table/, run => stops(run, /printed at the end/)],
  [/-h 192/, run => stops(run, /1xabcdef (→|←) mqtt:\/\/192\.168\.1\.20:1883/)],
];

async function exits(run: Running, code: number, says: RegExp): Promise<void> {
  assert.equal(await run.exit(), code, run.stdout + run.stderr);
  assert.match(run.stdout + run.stderr, says);
}

async function stops(run: Running, says: RegExp): Promise<void> {
  await run.outputHas(says);
  run.child.send("stop");
  assert.equal(await run.exit(), 0, run.stderr);
}

/** Presses Enter, and expects that the witness receives the will. */
async function failsOnEnter(run: Running): Promise<void> {
  await run.outputHas("press Enter");
  run.child.stdin?.write("\n");
  await exits(run, 0, /the witness received the will|30 of 30 wills were published/);
}

/** Runs a command as on a laptop, with a broker at the teacher's address. */
async function runLine(t: TestContext, line: string): Promise<void> {
  const { port } = await lwtBroker(t);
  const [npx, name = "", ...args] = line.split(" ");
  assert.equal(npx, "npx");
  const cwd = temporaryFolder(t);
  cpSync(path.join(root, "examples", "exercises"), path.join(cwd, "examples", "exercises"), {
    recursive: true,
  });
  // The state folder, with the suffix of this laptop.
  mkdirSync(path.join(cwd, "mqtt-lwt-lab"));
  writeFileSync(path.join(cwd, "mqtt-lwt-lab", "suffix"), "xabcdef\n");
  const env = { ...rerouted({ [TEACHER_ADDRESS]: port }), LWT_PORT: String(port), LWT_KEEP_ALIVE: "1" };
  const more = name === "lwt-broker" ? ["--port", "0"] : [];
  const end = endings.find(([pattern]) => pattern.test(line))?.[1];
  assert.ok(end, `nothing says how this ends: ${line}`);
  await end(command(t, name, [...args, ...more], { cwd, env, json: false }));
}

test("every command in teach-a-class.md ends as described", { concurrency: 2 }, async t => {
  assert.ok(commands.length >= 20);
  await Promise.all(commands.map(line => t.test(line, t => runLine(t, line))));
});

test("the lessons that teach-a-class.md names exist", async () => {
  const names = await lessonNames(path.join(root, "examples", "lessons"));
  const table = /^\| Minute[^]*?\n\n/m.exec(text)?.[0] ?? "";
  const named = [...table.matchAll(/`([a-z-]+)`/g)].map(([, name = ""]) => name);
  assert.ok(named.length >= 6);
  for (const name of named) assert.ok(names.includes(name), name);
});
