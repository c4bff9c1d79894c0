// Fails if git tracks a file that no source tree needs: a crash dump, a log, or a file that is too large.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";

/** The largest file that is needed has 46 kB. */
const MAX_BYTES = 100_000;
/** It has 228 kB, half of them for the dictionaries of the spell checker and the rules of the terms linter. */
const LOCK_FILE = "package-lock.json";
const MAX_LOCK_BYTES = 250_000;
/** Written by a run, never by an author. */
const BY_PRODUCT = /(^|\/)core\.\d+$|\.(dump|log|pid|tgz|heapsnapshot|heapprofile|cpuprofile)$/;

const root = path.join(import.meta.dirname, "..");
const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");

const problems = tracked
  .filter(file => file !== "" && existsSync(path.join(root, file)))
  .flatMap(file => {
    const { size } = statSync(path.join(root, file));
    if (BY_PRODUCT.test(file)) return [`${file} is the by-product of a run.`];
    const max = file === LOCK_FILE ? MAX_LOCK_BYTES : MAX_BYTES;
    if (size > max) return [`${file} has ${size} bytes. At most ${max} are allowed.`];
    return [];
  });

if (problems.length > 0) {
  process.stderr.write(
    `${problems.join("\n")}\nRemove each one with \`git rm --cached FILE\`, and add it to .gitignore.\n`,
  );
  process.exitCode = 1;
}
