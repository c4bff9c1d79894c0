// Runs the test files that are named, or all of them but those in long/, which take a minute each. They are bundled first,
// as the commands are: a file that tsx compiles takes half a second more to start.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const here = import.meta.dirname;
const built = path.join(here, "built");

const named = process.argv.slice(2);
const found = readdirSync(here).filter(name => name.endsWith(".test.ts"));
const files = (named.length > 0 ? named : found.toSorted().map(name => path.join(here, name))).map(file =>
  path.resolve(file),
);
// `node --test` of Node 20 finds nothing by folder or pattern, and calls that a success.
if (files.length === 0) throw new Error("there is no test to run");

/** A test finds what is beside it from where it was written, not from where its bundle is. */
const whereWritten: Plugin = {
  name: "where-written",
  setup(build) {
    build.onLoad({ filter: /[\\/]test[\\/].*\.ts$/ }, ({ path: file }) => ({
      loader: "ts",
      contents: readFileSync(file, "utf8")
        .replaceAll("import.meta.dirname", JSON.stringify(path.dirname(file)))
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(file).href)),
    }));
  },
};

await build({
  entryPoints: files,
  outbase: here,
  outdir: built,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
  plugins: [whereWritten],
});
const bundles = files.map(file => path.join(built, path.relative(here, file).replace(/\.ts$/, ".js")));
// Node 20 parses the certificates that this names at every start: a minute for all the commands that are started.
const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
const { status } = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-concurrency=3", "--test-timeout=600000", ...bundles],
  { stdio: "inherit", env: environment },
);
process.exitCode = status ?? 1;
