// Builds dist/: a CommonJS bundle for each command and for each folder that is loaded on demand, the library as an ES
// module, its types, and the licences of the bundled packages.
// `--if-stale` builds only if a source has changed since the last build, and where that is possible: after
// `npm ci --omit=dev` there are no tools for it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { isStale, replaceDist } from "./scripts/dist.mjs";

// CommonJS because Node starts it 8 ms sooner than the same code as an ES module.
const bundles = {
  "pub-lwt": "src/cli/pub-lwt.ts",
  "sub-lwt": "src/cli/sub-lwt.ts",
  "lwt-broker": "src/cli/lwt-broker.ts",
  "lwt-demo": "src/cli/lwt-demo.ts",
  parse: "src/cli/parse-args.ts",
  clients: "src/clients/clients.ts",
  websocket: "src/connection/websocket-transport.ts",
  broker: "src/broker/start-broker.ts",
  "websocket-listener": "src/broker/net/websocket-listener.ts",
  users: "src/broker/auth/users.ts",
  "journaled-store": "src/broker/store/open-store.ts",
  outbox: "src/outbox/open-outbox.ts",
  mqtt5: "src/connection/mqtt5.ts",
  lessons: "src/lessons/lessons.ts",
  "live-table": "src/cli/live-table.ts",
  // Packages that few runs load.
  chalk: "chalk",
  dotenv: "dotenv",
  "string-width": "./node_modules/string-width/index.js",
};

const moduleOf = code => `data:text/javascript,${encodeURIComponent(code)}`;

const alias = {
  // Copies of what Node has. Loading readable-stream takes a quarter of the time to the first message.
  "readable-stream": "node:stream",
  "worker-timers": "node:timers",
  // --debug shows more.
  debug: moduleOf(
    "module.exports = () => Object.assign(() => {}, { enabled: false, extend: module.exports });",
  ),
  // Loads at its first call, which few runs make: it takes 22 ms.
  "string-width": moduleOf(
    'let width; export default text => (width ??= require("./string-width.cjs").default)(text);',
  ),
};

const resolution = {
  name: "resolution",
  setup({ onResolve }) {
    const nameOf = new Map(Object.entries(bundles).map(([name, file]) => [path.resolve(file), name]));
    // Loads a module that has a bundle of its own from there, at run time.
    onResolve({ filter: /./ }, ({ kind, path: specifier, resolveDir }) => {
      if (kind !== "dynamic-import") return undefined;
      const source = path.resolve(resolveDir, specifier).replace(/\.js$/, ".ts");
      const name = nameOf.get(source) ?? nameOf.get(path.resolve(specifier));
      return name && { path: `./${name}.cjs`, external: true };
    });
    // Of yargs/helpers only the parser is used. The rest would load string-width at each start.
    onResolve({ filter: /platform-shims\/esm\.mjs$/ }, ({ path: file, resolveDir }) => ({
      path: path.resolve(resolveDir, file),
      sideEffects: false,
    }));
  },
};

const { resolve } = createRequire(import.meta.url);
if (!process.argv.includes("--if-stale") || (isStale() && hasTools())) await replaceDist(build);

function hasTools() {
  try {
    return Boolean(resolve("esbuild") && resolve("typescript/package.json"));
  } catch {
    return false;
  }
}

async function build(outdir) {
  const [{ metafile }] = await Promise.all([bundle(outdir), declareTypes(path.join(outdir, "types"))]);
  writeFileSync(path.join(outdir, "THIRD-PARTY-LICENSES.txt"), licences(metafile));
}

async function bundle(outdir) {
  const esbuild = await import("esbuild");
  const shared = {
    bundle: true,
    platform: "node",
    target: "node20",
    outdir,
    logLevel: "warning",
    sourcemap: "external",
  };
  const commands = esbuild.build({
    ...shared,
    entryPoints: bundles,
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    alias,
    plugins: [resolution],
    external: ["./string-width.cjs"],
    // Loads folders with require(): import() of a CommonJS file costs 39 ms in Node's export scanner.
    supported: { "dynamic-import": false },
    define: { "import.meta.dirname": "__dirname", "import.meta.url": "__filename" },
    metafile: true,
  });
  const index = { index: "src/index.ts" };
  const library = esbuild.build({ ...shared, entryPoints: index, format: "esm", packages: "external" });
  return (await Promise.all([commands, library]))[0];
}

async function declareTypes(outDir) {
  const tsc = path.join(path.dirname(resolve("typescript/package.json")), "bin", "tsc");
  const compiler = spawn(process.execPath, [tsc, "-p", "src", "--outDir", outDir], { stdio: "inherit" });
  const [status] = await once(compiler, "exit");
  if (status !== 0) throw new Error("tsc has failed.");
}

/** The licence of each bundled package, which has to go where its code goes. */
function licences({ outputs }) {
  const files = Object.values(outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter(file => inputs[file].bytesInOutput > 0),
  );
  const folders = files.flatMap(file => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
  const texts = [...new Set(folders)].map(folder => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} is bundled, and has no licence text`);
    return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
  });
  return [...new Set(texts)].toSorted().join(`\n${"=".repeat(80)}\n\n`);
}
