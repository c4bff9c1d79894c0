// dist/ as a whole: whether it is older than its sources, and how a new one takes its place.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const SOURCES = [
  "src",
  "build.mjs",
  "scripts/dist.mjs",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
];
/** Attempts, 100 ms apart. A program that reads dist/ on Windows delays its renaming, and so may another build. */
const MAX_ATTEMPTS = 50;

/** Stands beside dist/, so that one rename puts it in place. If a build is killed, the next one removes its folder. */
const tempDir = `.dist-${process.pid}`;
const stampFile = "dist/.sources";

export const isStale = () => !existsSync(stampFile) || readFileSync(stampFile, "utf8") !== sourcesHash();

/** Hashes contents, not times: `git checkout` gives an old source a new time. */
function sourcesHash() {
  const hash = createHash("sha256");
  for (const file of SOURCES.flatMap(filesIn)) hash.update(`${file}\0`).update(readFileSync(file));
  return hash.digest("hex");
}

function filesIn(source) {
  if (path.extname(source)) return [source];
  const entries = readdirSync(source, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile());
  return files.map(entry => path.join(entry.parentPath, entry.name)).toSorted();
}

/**
 * Replaces dist/ by what `build` writes into the folder that it is given, as soon as that is complete. Until then, and if
 * `build` fails or a signal ends it, the old dist/ remains.
 */
export async function replaceDist(build) {
  process.once("exit", () => remove(tempDir));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
  removeLeftovers();
  try {
    const hash = sourcesHash();
    mkdirSync(tempDir);
    await build(tempDir);
    writeFileSync(path.join(tempDir, ".sources"), hash);
    await swap();
  } catch (error) {
    process.stderr.write(`build: ${error.message}\n`);
    process.exitCode = 1;
  }
}

/**
 * Renames twice, since Node cannot exchange two folders. No signal handler runs in the 20 µs between; kill -9 there would
 * leave no dist/, and the commands then ask for `npm install`.
 */
async function swap() {
  for (let attempt = 1; ; attempt++) {
    const old = `${tempDir}-old${attempt}`;
    try {
      if (existsSync("dist")) renameSync("dist", old);
      renameSync(tempDir, "dist");
      return remove(old);
    } catch (error) {
      if (existsSync(old) && !existsSync("dist")) renameSync(old, "dist");
      if (attempt === MAX_ATTEMPTS) throw error;
      await delay(100);
    }
  }
}

function removeLeftovers() {
  for (const entry of readdirSync(".")) {
    const [, pid] = /^\.dist-(\d+)/.exec(entry) ?? [];
    if (pid && !isRunning(Number(pid))) remove(entry);
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return pid !== process.pid;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function remove(folder) {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // A program on Windows uses it. The next build removes it.
  }
}
