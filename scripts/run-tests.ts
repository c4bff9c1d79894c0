// Runs the tests: `npm test`, `npm test -- peers soak`, `npm test -- test/unit/storage/journal.test.ts`.
// Bundles them first, as the commands are bundled: a file that tsx compiles takes half a second more to start.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

/** The kinds of test that run by default. A file in `peers` or `soak` takes a minute, and runs if named. */
const DEFAULT_KINDS = ["unit", "integration", "e2e"];

/** The tests of these folders share a process each: most of them take less time than its start. */
const SHARED = ["unit", "integration/standard"];

/** The slowest files in order, so that none of them starts last and runs alone. */
const LONGEST_FIRST = [
  "e2e/lessons-cluster",
  "e2e/clients",
  "e2e/mqtt5",
  "e2e/lessons",
  "e2e/terminal",
  "unit",
  "e2e/conformance-check",
  "e2e/hostile-broker",
  "e2e/connectivity",
  "e2e/lesson-processes",
  "e2e/lesson-expectations",
  "e2e/outbox",
  "e2e/disconnects",
  "e2e/broker-list",
  "e2e/transports",
  "e2e/usage-errors",
  "e2e/diagnostics",
  "e2e/fleet",
  "e2e/journaled-store",
  "integration/connection-limits",
];

/** Files at a time. On two cores, they wait for two thirds of their time: three files took 174 s, six 92 s. */
const CONCURRENCY = 6;
/** Of the long tests, each of which runs several lessons or brokers at a time. */
const LONG_CONCURRENCY = 3;

const testDir = path.join(import.meta.dirname, "..", "test");
const builtDir = path.join(testDir, "built");

const named = process.argv.slice(2);
const isLong = named.some(name => /\b(peers|soak)\b/.test(name));
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

/** Each bundle is a process. */
function bundlesOf(files: string[]): [name: string, sources: string[]][] {
  const bundles = new Map<string, string[]>();
  for (const file of files) {
    const name = path
      .relative(testDir, file)
      .replaceAll(path.sep, "/")
      .replace(/\.test\.ts$/, "");
    const bundle = SHARED.find(folder => name.startsWith(`${folder}/`)) ?? name;
    bundles.set(bundle, [...(bundles.get(bundle) ?? []), file]);
  }
  const rank = (name: string) => (LONGEST_FIRST.includes(name) ? LONGEST_FIRST.indexOf(name) : Infinity);
  return [...bundles].toSorted(([a], [b]) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

/** Imports each source of a bundle. */
const bundledTests: Plugin = {
  name: "bundled-tests",
  setup(build) {
    build.onResolve({ filter: /^bundle:/ }, ({ path: bundle }) => ({ path: bundle, namespace: "bundle" }));
    build.onLoad({ filter: /.*/, namespace: "bundle" }, ({ path: bundle }) => {
      const { sources } = bundles.find(({ name }) => bundle === `bundle:${name}`) ?? { sources: [] };
      return {
        contents: sources.map(source => `import ${JSON.stringify(source)};`).join("\n"),
        resolveDir: testDir,
      };
    });
  },
};

/** Lets a test find the files beside its source instead of beside its bundle. */
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

const bundles = bundlesOf(files).map(([name, sources], index) => ({
  // `node --test` sorts the files by their names.
  name: `${String(index).padStart(3, "0")}-${name.replaceAll("/", "-")}`,
  sources,
}));
await build({
  entryPoints: bundles.map(({ name }) => ({ in: `bundle:${name}`, out: name })),
  outdir: builtDir,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
  plugins: [bundledTests, sourceLocation],
});
// Node 20 parses the certificates that this variable names at every start: a minute over all commands of the tests.
const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
const { status } = spawnSync(
  process.execPath,
  [
    "--enable-source-maps",
    "--test",
    `--test-concurrency=${isLong ? LONG_CONCURRENCY : CONCURRENCY}`,
    "--test-timeout=600000",
    ...bundles.map(({ name }) => path.join(builtDir, `${name}.js`)),
  ],
  { stdio: "inherit", env: environment },
);
process.exitCode = status ?? 1;
