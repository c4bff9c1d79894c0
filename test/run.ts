// Runs the test files that are named, or all of them but those in long/, which take a minute each. `node --test` of Node
// 20 finds nothing by folder or pattern, and calls that a success.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

const named = process.argv.slice(2);
const found = readdirSync(import.meta.dirname).filter(name => name.endsWith(".test.ts"));
const files = named.length > 0 ? named : found.toSorted().map(name => path.join(import.meta.dirname, name));
if (files.length === 0) throw new Error("there is no test to run");
const hooks = process.env["NODE_V8_COVERAGE"]
  ? ["--import", new URL("coverage-hooks.ts", import.meta.url).href]
  : [];
// Node 20 parses the certificates that this names at every start: a minute for all the commands that are started.
const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
const { status } = spawnSync(
  process.execPath,
  ["--import", "tsx", ...hooks, "--test", "--test-concurrency=3", "--test-timeout=600000", ...files],
  { stdio: "inherit", env: environment },
);
process.exitCode = status ?? 1;
