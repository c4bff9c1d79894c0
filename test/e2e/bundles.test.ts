import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import packageJson from "../../package.json" with { type: "json" };
import { command, lwtBroker, temporaryFolder } from "../support/processes.js";
import { certificate } from "../support/servers.js";
import { distDir, supportFile } from "../support/paths.js";

const NETWORK = ["cluster", "dns", "http", "http2", "https", "tls"];
/** Modules that cost milliseconds or megabytes to load. Not child_process: a test's IPC channel loads it. */
const WATCHED = [...NETWORK, "assert", "crypto", "inspector", "readline", "vm", "worker_threads", "zlib"];

interface Kind {
  args: string[];
  /** All files of dist/ that it loads. */
  bundles: string[];
  /** The watched modules of Node that it may load. */
  builtins: string[];
  exit?: number;
  /** The test stops it after this output. */
  until?: string;
}

const texts = (name: string): Kind[] => [
  { args: ["--version"], bundles: [name], builtins: [] },
  { args: ["--help"], bundles: [name], builtins: [] },
  { args: ["--help", "all"], bundles: [name, "parse"], builtins: [] },
  { args: ["-h"], bundles: [name], builtins: [] },
  { args: ["--nonsense"], bundles: [name, "parse"], builtins: [], exit: 2 },
];

/** A listening server loads these; the last one from Node 26 on. */
const LISTENING = ["cluster", "dns", "worker_threads"];
const SERVER = ["assert", "crypto", ...LISTENING]; // aedes requires the first two

const CERTIFICATE = ["--tls-cert", certificate("server"), "--tls-key", certificate("key")];

const USERS = supportFile("users.txt");

const kinds: Record<string, Kind[]> = {
  "pub-lwt": [
    ...texts("pub-lwt"),
    { args: ["--count", "1"], bundles: ["clients", "parse", "pub-lwt"], builtins: [] },
    {
      args: ["-C", "1", "--outbox", "o"],
      bundles: ["clients", "outbox", "parse", "pub-lwt"],
      builtins: ["crypto", "zlib", ...LISTENING],
    },
    { args: ["-m", "x", "--no-status"], bundles: ["clients", "parse", "pub-lwt"], builtins: [] },
    {
      args: ["-V", "5"],
      bundles: ["clients", "mqtt5", "parse", "pub-lwt"],
      builtins: [],
      exit: 1, // lwt-broker does not support it
    },
  ],
  "sub-lwt": [
    ...texts("sub-lwt"),
    { args: ["--subscribe-only"], bundles: ["clients", "parse", "sub-lwt"], builtins: [] },
    {
      args: ["--table"],
      bundles: ["clients", "live-table", "parse", "sub-lwt"],
      builtins: [],
      until: "printed at the end",
    },
  ],
  "lwt-broker": [
    ...texts("lwt-broker"),
    { args: ["--port", "0"], bundles: ["broker", "lwt-broker", "parse"], builtins: SERVER, until: "mqtt://" },
    {
      args: ["--port", "0", "--data", "d"],
      bundles: ["broker", "journaled-store", "lwt-broker", "parse"],
      builtins: [...SERVER, "zlib"],
      until: "mqtt://",
    },
    {
      args: ["--port", "0", "--users", USERS],
      bundles: ["broker", "lwt-broker", "parse", "users"],
      builtins: SERVER,
      until: "from",
    },
    {
      args: ["--port", "0", "--tls-port", "0", ...CERTIFICATE],
      bundles: ["broker", "lwt-broker", "parse"],
      builtins: [...SERVER, "tls"],
      until: "mqtts://",
    },
  ],
  "lwt-demo": [
    ...texts("lwt-demo"),
    { args: ["list"], bundles: ["lessons", "lwt-demo", "parse"], builtins: [] },
  ],
};

/** Runs before the command, and at its end writes the loaded files and modules. */
const PRELOAD = `
process.on("exit", () => {
  const builtins = process.moduleLoadList.filter(each => each.startsWith("NativeModule "));
  const loaded = { files: Object.keys(require.cache), builtins: builtins.map(each => each.slice(13)) };
  require("node:fs").writeFileSync(process.env.LOADED, JSON.stringify(loaded));
});`;

async function loadedBy(t: TestContext, name: string, kind: Kind, port: number) {
  const folder = temporaryFolder(t);
  const preload = path.join(folder, "preload.cjs");
  const list = path.join(folder, "loaded.json");
  writeFileSync(preload, PRELOAD);
  const env = { NODE_OPTIONS: `--require ${JSON.stringify(preload)}`, LOADED: list, LWT_PORT: String(port) };
  const run = command(t, name, kind.args, { env, json: false });
  if (kind.until) {
    await run.outputHas(kind.until);
    run.child.send("stop");
  }
  assert.equal(await run.exit(), kind.exit ?? 0, run.stderr);
  const { files, builtins } = JSON.parse(readFileSync(list, "utf8")) as Record<
    "files" | "builtins",
    string[]
  >;
  return {
    bundles: files.filter(isBundle).map(file => path.basename(file, ".cjs")),
    others: files.filter(file => !isBundle(file) && !/bin[\\/][\w-]+\.cjs$|preload\.cjs$/.test(file)),
    builtins,
  };
}

const isBundle = (file: string) => path.basename(path.dirname(file)) === "dist";

test("each command loads what its work needs, and nothing else", async t => {
  const { port } = await lwtBroker(t);
  const runs = Object.entries(kinds).flatMap(([name, all]) => all.map(kind => ({ name, kind })));
  for (const { name, kind } of runs)
    await t.test(`${name} ${kind.args.join(" ")}`, async t => {
      const { bundles, others, builtins } = await loadedBy(t, name, kind, port);
      assert.deepEqual(bundles.toSorted(), kind.bundles.toSorted());
      assert.deepEqual(others, []);
      const unexpected = WATCHED.filter(each => builtins.includes(each) && !kind.builtins.includes(each));
      assert.deepEqual(unexpected, []);
      assert.ok(builtins.includes("fs"), "Node no longer lists its loaded modules");
    });
});

const COMMANDS = ["lwt-broker", "lwt-demo", "pub-lwt", "sub-lwt"];

/** The bundles with code of a folder or a package. That costs time at each start, even if the code does not run. */
const holders: Record<string, string[]> = {
  "src/broker": ["broker", "journaled-store", "lessons", "lwt-broker", "users", "websocket-listener"], // limits are defaults of options
  "src/broker/auth": ["broker", "users"],
  "src/storage": ["journaled-store", "outbox"],
  "src/outbox": ["outbox"],
  "src/connection": ["clients", "mqtt5", "websocket"],
  "src/lessons": ["lessons"],
  "src/render": ["live-table", ...COMMANDS],
  "node_modules/aedes": ["broker"],
  "node_modules/mqtt/build": ["clients"],
  "node_modules/ws": ["websocket", "websocket-listener"],
  "node_modules/yaml": ["lessons"],
  "node_modules/zod": ["lessons"],
  "node_modules/yargs-parser": ["parse"],
  "node_modules/dotenv": ["dotenv"],
  "node_modules/chalk": ["chalk"],
  "node_modules/string-width": ["string-width"],
  "node_modules/mqtt/node_modules/lru-cache": ["clients"],
  "node_modules/mqtt-packet": ["broker", "clients"],
  "node_modules/fastest-levenshtein": ["lessons", "parse", ...COMMANDS],
};

test("each folder and each package is in the bundles that need it, and in no other", () => {
  const dist = distDir;
  const bundles = readdirSync(dist).filter(file => file.endsWith(".cjs"));
  const texts = bundles.map(file => [
    path.basename(file, ".cjs"),
    readFileSync(path.join(dist, file), "utf8"),
  ]);
  for (const [origin, names] of Object.entries(holders)) {
    // esbuild writes the source of each module above it
    const holding = texts.filter(([, text]) => text?.includes(`// ${origin}/`)).map(([name]) => name);
    assert.deepEqual(new Set(holding), new Set(names), origin);
  }
});

test("every dependency has its bundles", () => {
  const packages = Object.keys(packageJson.dependencies).map(name => `node_modules/${name}`);
  assert.deepEqual(
    packages.filter(name => !Object.keys(holders).some(holder => holder.startsWith(name))),
    [],
  );
});
