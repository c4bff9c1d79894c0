// Runs the tests: `npm test`, `npm test -- peers soak`, `npm test -- test/unit/storage/journal.test.ts`.
// Bundles them first, as the commands are bundled: a file that tsx compiles takes half a second more to start.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

/** The kinds of test that run by themselves. Those in `peers` and `soak` take a minute a file and are named. */
const DEFAULT_KINDS = ["unit", "integration", "e2e"];

const testDir = path.join(import.meta.dirname, "..", "test");
const builtDir = path.join(testDir, "built");

const named = process.argv.slice(2);
const files = (named.length > 0 ? named : DEFAULT_KINDS).flatMap(testsIn);
// `node --test` of Node 20 finds nothing by folder or pattern, and calls that a success.
if (files.length === 0) throw new Error("there is no test to run");

/** @param name a file, a folder, or a kind of test: a folder of test/ */
function testsIn(name: string): string[] {
  const kind = path.join(testDir, name);
  const place = readdirSync(testDir).includes(name) ? kind : path.resolve(name);
  if (statSync(place).isFile()) return [place];
  return readdirSync(place, { recursive: true, encoding: "utf8" })
    .filter(file => file.endsWith(".test.ts"))
    .toSorted()
    .map(file => path.join(place, file));
}

/** A test finds the files beside its source, not those beside its bundle. */
const sourceLocation: Plugin = {
  name: "source-location",
  setup(build) {
    build.onLoad({ filter: /[\\/](test|scripts)[\\/].*\.ts$/ }, ({ path: file }) => ({
      loader: "ts",
      contents: readFileSync(file, "utf8")
        .replaceAll("import.meta.dirname", JSON.stringify(path.dirname(file)))
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(file).href)),
    }));
  },
};

await build({
  entryPoints: files,
  outbase: testDir,
  outdir: builtDir,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
  plugins: [sourceLocation],
});
const bundles = files.map(file => path.join(builtDir, path.relative(testDir, file).replace(/\.ts$/, ".js")));
// Node 20 parses the certificates that this variable names at every start: a minute over all commands of the tests.
const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
const { status } = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-concurrency=3", "--test-timeout=600000", ...bundles],
  { stdio: "inherit", env: environment },
);
process.exitCode = status ?? 1;
