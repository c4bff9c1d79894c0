import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import packageJson from "../../package.json" with { type: "json" };
import { root, supportFile } from "../support/paths.js";

const MAX_UP_TO_DATE_MS = 300;
const COMMANDS = ["lwt-broker", "lwt-demo", "pub-lwt", "sub-lwt"];

const tree = mkdtempSync(path.join(tmpdir(), "lwt-build-"));
after(() => rmSync(tree, { recursive: true, force: true }));
const inTree = (...names: string[]) => path.join(tree, ...names);
const read = (...names: string[]) => readFileSync(inTree(...names), "utf8");
const UNCHANGED = ["bin", "build.mjs", "scripts/dist.mjs", "src/tsconfig.json", "tsconfig.json"];
for (const name of [...UNCHANGED, "package.json", "package-lock.json"])
  cpSync(path.join(root, name), inTree(name), { recursive: true });
// Each source that build.mjs names prints the version only: a build of all the code takes five times as long.
for (const [, dir = "", file = ""] of read("build.mjs").matchAll(/"(src\/[\w/-]*?)([\w-]+\.ts)"/g)) {
  mkdirSync(inTree(dir), { recursive: true });
  const json = path.posix.relative(dir, "package.json");
  writeFileSync(
    inTree(dir, file),
    `import json from "${json}" with { type: "json" };\nexport const { version } = json;\nconsole.log(version);\n`,
  );
}
symlinkSync(path.join(root, "node_modules"), inTree("node_modules"), "junction");

interface BuildOptions {
  args?: string[];
  env?: Record<string, string>;
}

function startBuild({ args = [], env = {} }: BuildOptions = {}) {
  const child = spawn(process.execPath, ["build.mjs", ...args], {
    cwd: tree,
    env: { ...process.env, ...env },
    stdio: "ignore",
  });
  return { child, exit: once(child, "exit") };
}

async function build(options?: BuildOptions): Promise<void> {
  assert.deepEqual(await startBuild(options).exit, [0, null]);
}

const isStale = () =>
  execFileSync(
    process.execPath,
    ["-p", 'import("./scripts/dist.mjs").then(dist => console.log(dist.isStale()))'],
    {
      cwd: tree,
      encoding: "utf8",
    },
  ).includes("true");

/** Each file of dist/ with its content. */
const contents = () =>
  new Map(
    readdirSync(inTree("dist"), { recursive: true, encoding: "utf8" })
      .filter(name => statSync(inTree("dist", name)).isFile())
      .map(name => [name, read("dist", name)] as const),
  );

const versions = () =>
  COMMANDS.map(name =>
    execFileSync(process.execPath, [inTree("bin", `${name}.cjs`), "--version"], { encoding: "utf8" }).trim(),
  );

const buildFolders = () => readdirSync(tree).filter(name => name.startsWith(".dist-"));

/** Resolves when the build has ended, or has written this file. */
async function hasWritten(child: ChildProcess, file: string): Promise<void> {
  const written = inTree(`.dist-${child.pid}`, file);
  while (!existsSync(written) && child.exitCode === null) await delay(1);
}

function setVersion(version: string): void {
  const file = inTree("package.json");
  writeFileSync(file, read("package.json").replace(/"version": "[^"]+"/, `"version": "${version}"`));
}

test("a build that is killed at any moment leaves the old dist/ or the new one, and the next build removes the rest", async () => {
  setVersion("0.0.1");
  await build();
  const old = contents();
  setVersion("0.0.2");
  for (const file of ["", "pub-lwt.cjs", "types/index.d.ts", "THIRD-PARTY-LICENSES.txt"]) {
    const { child, exit } = startBuild();
    await hasWritten(child, file);
    child.kill("SIGKILL");
    await exit;
    if (file === "") assert.equal(buildFolders().length, 1);
    // The last file is so close to the end that the new dist/ may be in place.
    if (!isStale()) assert.deepEqual([...contents().keys()], [...old.keys()]);
    else assert.deepEqual(contents(), old, file);
  }
  await build();
  assert.deepEqual(versions(), ["0.0.2", "0.0.2", "0.0.2", "0.0.2"]);
  assert.deepEqual(buildFolders(), []);
});

test("Ctrl-C ends a build, and leaves the old dist/ and nothing else", async () => {
  const old = contents();
  setVersion("0.0.3");
  const { child, exit } = startBuild({ args: ["--if-stale"] });
  await hasWritten(child, "");
  child.kill("SIGINT");
  assert.deepEqual(await exit, [1, null]);
  assert.deepEqual(contents(), old);
  assert.deepEqual(buildFolders(), []);
});

test("npm install and npm pack build, and npx does not: after a Ctrl-C in a prepare script it can no longer run", () => {
  const { prepare, postprepare, prepack }: Record<string, string | undefined> = packageJson.scripts;
  assert.equal(prepare, undefined);
  assert.deepEqual([postprepare, prepack], ["node build.mjs --if-stale", "node build.mjs --if-stale"]);
});

test("a source that does not compile leaves the old dist/", async () => {
  const old = contents();
  const file = inTree("src", "index.ts");
  const source = readFileSync(file, "utf8");
  writeFileSync(file, `${source}export const count: number = "none";\n`);
  assert.deepEqual(await startBuild().exit, [1, null]);
  assert.deepEqual(contents(), old);
  writeFileSync(file, source);
});

test("two builds at once both succeed", async () => {
  await Promise.all([build(), build()]);
  assert.deepEqual(versions(), ["0.0.3", "0.0.3", "0.0.3", "0.0.3"]);
  assert.deepEqual(buildFolders(), []);
});

test(`an up-to-date dist/ is not built again, and that takes less than ${MAX_UP_TO_DATE_MS} ms of processor time`, async () => {
  const { ino } = statSync(inTree("dist"));
  const measured = inTree("measured.json");
  const env = { NODE_OPTIONS: `--require ${JSON.stringify(supportFile("measure.cjs"))}`, MEASURE: measured };
  await build({ args: ["--if-stale"], env });
  assert.equal(statSync(inTree("dist")).ino, ino);
  const { seconds } = JSON.parse(readFileSync(measured, "utf8")) as { seconds: number };
  assert.ok(seconds < MAX_UP_TO_DATE_MS / 1000, `${seconds} s`);
});

test("dist/ is stale after a source has changed, came or went, and not after it has a new time only", () => {
  const file = inTree("src", "cli", "pub-lwt.ts");
  const source = readFileSync(file, "utf8");
  appendFileSync(file, "\n");
  assert.ok(isStale());
  writeFileSync(file, source);
  assert.ok(!isStale());
  const added = inTree("src", "added.ts");
  writeFileSync(added, "");
  assert.ok(isStale());
  rmSync(added);
  rmSync(file);
  assert.ok(isStale());
  writeFileSync(file, source);
  assert.ok(!isStale());
  rmSync(inTree("dist"), { recursive: true });
  assert.ok(isStale());
});
