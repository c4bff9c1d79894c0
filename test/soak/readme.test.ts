import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { command, lwtBroker, temporaryFolder } from "../support/processes.js";
import { certificate } from "../support/servers.js";
import { root } from "../support/paths.js";

const readme = readFileSync(path.join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```sh\n([^]*?)```/g)].map(([, block = ""]) => block.trim().split("\n"));
const scripts = (
  JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    scripts: object;
  }
).scripts;

/** Commands that end by themselves, with their exit codes. The others run until they are stopped. */
const endsWith = (line: string) => (line.includes("--fail crash") ? "SIGKILL" : 0);
const follows = (line: string) => /^npx (pub-lwt|sub-lwt( --table)?|lwt-broker( --.*)?)$/.test(line);
/** Of lwt-broker: any that is free. */
const PORTS = ["--port", "--tls-port", "--ws-port"];

test("there are commands in the README", () => {
  assert.ok(blocks.flat().filter(line => line.startsWith("npx ")).length >= 14);
});

/** Those of a block build on each other. */
async function runBlock(t: TestContext, lines: string[]): Promise<void> {
  const { port } = await lwtBroker(t);
  const cwd = temporaryFolder(t);
  copyFileSync(certificate("server"), path.join(cwd, "cert.pem"));
  copyFileSync(certificate("key"), path.join(cwd, "key.pem"));
  for (const line of lines) {
    const [, name = "", ...args] = line.split(" ");
    const env = { LWT_PORT: String(port), PUB_LWT_INTERVAL: "0.05", LWT_KEEP_ALIVE: "1" };
    const ports = PORTS.filter(port => port === "--port" || line.includes(port.slice(0, 5)));
    const more = name === "lwt-broker" && args[0] !== "passwd" ? ports.flatMap(port => [port, "0"]) : [];
    const input = args[0] === "passwd" ? { input: "Sesame\n" } : {};
    const run = command(t, name, [...args, ...more], { cwd, env, json: false, ...input });
    if (follows(line)) {
      await run.outputHas(/\S+ (→|←|on) mqtt:/);
      run.child.send("stop");
    }
    assert.equal(await run.exit(), endsWith(line), `${line}\n${run.stdout}${run.stderr}`);
  }
}

test("every command in the README does what it is there for", { concurrency: true }, async t => {
  const npx = blocks.map(block => block.filter(line => line.startsWith("npx ")));
  await Promise.all(
    npx.filter(lines => lines.length > 0).map(lines => t.test(lines[0], t => runBlock(t, lines))),
  );
});

test("every npm script in the README is there", () => {
  const named = [
    ...readme.matchAll(/npm (?:run )?(demo|test|build|check|format|docs|coverage|packed|bench)\b/g),
  ].map(([, name]) => name ?? "");
  assert.ok(named.length > 4);
  for (const name of named) assert.ok(name in scripts, name);
});

test("no command line in the README names a public broker, where a test would run it", () => {
  assert.deepEqual(
    blocks.flat().filter(line => line.includes("hivemq")),
    [],
  );
});
