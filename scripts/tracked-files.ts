// Fails if git tracks a file that no source tree needs: a crash dump, a log, or a file that is too large.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";

/** The largest file needed is package-lock.json, with 122 kB. */
const MAX_BYTES = 200_000;
/** Written by a run, never by an author. */
const BY_PRODUCT = /(^|\/)core\.\d+$|\.(dump|log|pid|tgz|heapsnapshot|heapprofile|cpuprofile)$/;

const root = path.join(import.meta.dirname, "..");
const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");

const problems = tracked
  .filter(file => file !== "" && existsSync(path.join(root, file)))
  .flatMap(file => {
    const { size } = statSync(path.join(root, file));
    if (BY_PRODUCT.test(file)) return [`${file} is the by-product of a run.`];
    if (size > MAX_BYTES) return [`${file} has ${size} bytes. At most ${MAX_BYTES} are allowed.`];
    return [];
  });

if (problems.length > 0) {
  process.stderr.write(
    `${problems.join("\n")}\nRemove each one with \`git rm --cached FILE\`, and add it to .gitignore.\n`,
  );
  process.exitCode = 1;
}
