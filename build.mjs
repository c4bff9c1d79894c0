// Makes dist/: one CommonJS bundle a command, one for each room that commands load on demand, the library as an
// ES module, its types, and the licences of what is bundled. With --if-possible (npm's prepare) a missing development tool is no failure, so that
// `npm ci --omit=dev` works. Where coverage is measured, source maps lie beside the bundles.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

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
  outbox: "src/outbox/open-outbox.ts",
  mqtt5: "src/connection/mqtt5.ts",
  lessons: "src/lessons/lessons.ts",
  "live-table": "src/cli/live-table.ts",
};

/** Packages that few runs need: read by each run that has them in its bundle, they cost it 2 ms in 95. */
const packagesOnDemand = ["chalk", "dotenv", "lru-cache", "string-width"];

/** `await import()` of what has a bundle of its own stays a load at run time, from beside this file. */
const loadedOnDemand = {
  name: "loaded-on-demand",
  setup(build) {
    const nameOf = new Map(Object.entries(bundles).map(([name, file]) => [path.resolve(file), name]));
    build.onResolve({ filter: /.*/ }, ({ kind, path: specifier, resolveDir }) => {
      if (kind !== "dynamic-import") return undefined;
      const name = packagesOnDemand.includes(specifier)
        ? specifier
        : nameOf.get(path.resolve(resolveDir, specifier).replace(/\.js$/, ".ts"));
      return name && { path: `./${name}.cjs`, external: true };
    });
  },
};

/** Loaded at their first call, which few runs make: string-width takes 22 ms, lru-cache 2 (for MQTT 5's topic aliases). */
const lazyFunctions = {
  name: "lazy-functions",
  setup(build) {
    build.onResolve({ filter: /^string-width$/ }, ({ kind }) =>
      kind === "entry-point" ? undefined : { path: "string-width", namespace: "lazy" },
    );
    build.onLoad({ filter: /.*/, namespace: "lazy" }, () => ({
      contents: `
        let width;
        export default (...texts) => (width ??= require("./string-width.cjs").default)(...texts);`,
    }));
    build.onLoad({ filter: /mqtt[\\/]build[\\/]lib[\\/]topic-alias-send\.js$/ }, ({ path: file }) => ({
      contents: readFileSync(file, "utf8")
        .replace('const lru_cache_1 = require("lru-cache");', "")
        .replace("new lru_cache_1.LRUCache", 'new (require("./lru-cache.cjs").LRUCache)'),
    }));
    build.onResolve({ filter: /^\.\/(string-width|lru-cache)\.cjs$/ }, ({ path: file }) => ({
      path: file,
      external: true,
    }));
  },
};

/**
 * What Node has itself: readable-stream is a copy of its streams, for others (a quarter of the time to the first
 * message); worker-timers are for browsers, and mqtt takes Node's own. debug prints what --debug shows better.
 */
const nodesOwn = {
  name: "nodes-own",
  setup(build) {
    build.onResolve({ filter: /^readable-stream$/ }, () => ({ path: "node:stream", external: true }));
    build.onResolve({ filter: /^worker-timers$/ }, () => ({ path: "none", namespace: "nodes-own" }));
    build.onLoad({ filter: /^none$/, namespace: "nodes-own" }, () => ({
      contents: "export const clearInterval = undefined, setInterval = undefined;",
    }));
    build.onResolve({ filter: /^debug$/ }, () => ({ path: "silent", namespace: "nodes-own" }));
    build.onLoad({ filter: /^silent$/, namespace: "nodes-own" }, () => ({
      contents: "module.exports = () => Object.assign(() => {}, { enabled: false, extend: module.exports });",
    }));
  },
};

/**
 * Left out where only a part is used: of mqtt its own ways to connect, which bring SOCKS proxies and WebSockets along; of
 * yargs/helpers all but the parser.
 */
const onlyWhatIsUsed = {
  name: "only-what-is-used",
  setup(build) {
    build.onResolve({ filter: /^\.\/lib\/connect$/ }, ({ resolveDir }) =>
      /mqtt[\\/]build$/.test(resolveDir) ? { path: "mqtt's connect", namespace: "left-out" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: "" }));
    build.onResolve({ filter: /platform-shims\/esm\.mjs$/ }, ({ path: file, resolveDir }) => ({
      path: path.resolve(resolveDir, file),
      sideEffects: false,
    }));
  },
};

/** At its first packet mqtt-packet would fill a table of 65 536 buffers: 32 ms and 18 MB, and no faster for it. */
const noTableOfNumbers = {
  name: "no-table-of-numbers",
  setup(build) {
    build.onLoad({ filter: /mqtt-packet[\\/]mqtt\.js$/ }, ({ path: file }) => ({
      contents: `${readFileSync(file, "utf8")}\nexports.writeToStream.cacheNumbers = false;`,
    }));
  },
};

const { resolve } = createRequire(import.meta.url);
const installed = name => {
  try {
    return Boolean(resolve(name));
  } catch {
    return false;
  }
};

const ready = installed("esbuild") && installed("typescript/package.json");
if (ready || !process.argv.includes("--if-possible")) await buildAll();

async function buildAll() {
  const { build } = await import("esbuild");
  rmSync("dist", { recursive: true, force: true });
  // Each as the package sees it that uses it: there are two lru-caches.
  const { resolve: resolveOfMqtt } = createRequire(resolve("mqtt"));
  const packages = Object.fromEntries(packagesOnDemand.map(name => [name, resolveOfMqtt(name)]));
  const shared = {
    bundle: true,
    platform: "node",
    target: "node20",
    outdir: "dist",
    logLevel: "warning",
    sourcemap: process.env.NODE_V8_COVERAGE !== undefined && "external",
  };
  const [{ metafile }] = await Promise.all([
    build({
      ...shared,
      entryPoints: { ...bundles, ...packages },
      format: "cjs",
      outExtension: { ".js": ".cjs" },
      plugins: [loadedOnDemand, lazyFunctions, nodesOwn, onlyWhatIsUsed, noTableOfNumbers],
      // Loads rooms with require(): import() of a CommonJS file costs 39 ms in Node's export scanner.
      supported: { "dynamic-import": false },
      define: { "import.meta.dirname": "__dirname", "import.meta.url": "__filename" },
      metafile: true,
    }),
    build({ ...shared, entryPoints: { index: "src/index.ts" }, format: "esm", packages: "external" }),
  ]);
  writeFileSync("dist/THIRD-PARTY-LICENSES.txt", licences(metafile));
  const tsc = path.join(path.dirname(resolve("typescript/package.json")), "bin", "tsc");
  process.exitCode = spawnSync(process.execPath, [tsc, "-p", "src"], { stdio: "inherit" }).status ?? 1;
}

/** Of each package whose code is in a bundle: its licence has to go where the code goes. */
function licences({ outputs }) {
  const files = Object.values(outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter(file => inputs[file].bytesInOutput > 0),
  );
  const folders = new Set(files.flatMap(file => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []));
  const texts = [...folders].map(folder => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} is bundled, and has no licence text`);
    return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
  });
  return [...new Set(texts)].toSorted().join(`\n${"=".repeat(80)}\n\n`);
}
