import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { root } from "../support/paths.js";

const src = path.join(root, "src");

/** The folders of src/ that each one may import, types included. */
const MAY_IMPORT: Record<string, string[]> = {
  util: [],
  protocol: [],
  events: ["protocol"],
  domain: ["events", "protocol"],
  storage: ["util"],
  link: ["util"],
  outbox: ["events", "storage", "util"],
  broker: ["events", "protocol", "storage", "util"],
  config: ["broker", "events", "protocol", "util"],
  connection: ["config", "domain", "events", "outbox", "protocol", "util"],
  clients: ["config", "connection", "domain", "events", "outbox", "protocol", "util"],
  lessons: ["config", "events", "link", "protocol", "util"],
  render: ["broker", "config", "domain", "events", "protocol"],
  cli: ["broker", "clients", "config", "events", "lessons", "protocol", "render", "util"],
  "index.ts": ["broker", "connection", "events", "protocol", "render", "util"],
};

/** The only folders that import each package. */
const PACKAGES: Record<string, string[]> = {
  aedes: ["broker/aedes"],
  chalk: ["render"],
  dotenv: ["cli"],
  "fastest-levenshtein": ["cli", "lessons/language"],
  mqtt: ["connection"],
  "mqtt-packet": ["broker/aedes", "connection"],
  "string-width": ["render"],
  ws: ["broker/net", "connection"],
  yaml: ["lessons", "lessons/language"],
  yargs: ["cli"],
  zod: ["lessons", "lessons/language"],
};

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map(file => file.replaceAll(path.sep, "/"))
  .filter(file => file.endsWith(".ts"));

/** Each file's text without its comments. */
const codeOf = new Map(
  files.map(file => {
    const text = readFileSync(path.join(src, file), "utf8");
    return [file, text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*/gm, "")] as const;
  }),
);

/** `import … from`, `export … from`, `import "…"` and `import("…")`, of values and of types. */
const IMPORT = /^(?:import|export)\b[^;"]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

/** Returns what a file imports: "connection/inbox.ts", or a package's name. */
function importsOf(file: string): string[] {
  const found = [...(codeOf.get(file) ?? "").matchAll(IMPORT)];
  return found
    .map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? "")
    .map(name => (name.startsWith(".") ? path.posix.join(path.posix.dirname(file), name) : name))
    .map(name => name.replace(/\.js$/, ".ts"));
}

const folderOf = (file: string) => file.split("/")[0] ?? file;
const isOurs = (name: string) => codeOf.has(name);
const isPackage = (name: string) => !isOurs(name) && !/^(node:|\.)/.test(name);

const fileGraph = new Map(files.map(file => [file, importsOf(file).filter(isOurs)]));

const folderGraph = new Map<string, string[]>(files.map(file => [folderOf(file), []]));
for (const [file, imported] of fileGraph) {
  const folder = folderOf(file);
  const others = imported.map(folderOf).filter(other => other !== folder);
  folderGraph.set(folder, [...new Set([...(folderGraph.get(folder) ?? []), ...others])].toSorted());
}

/** Returns the groups of nodes that reach each other. */
function circlesIn(graph: Map<string, string[]>): string[][] {
  const nodes = [...graph.keys()].toSorted();
  const reachable = new Map(nodes.map(node => [node, reachableFrom(node, graph)]));
  const areInCircle = (a: string, b: string) => reachable.get(a)?.has(b) && reachable.get(b)?.has(a);
  const circles = nodes
    .filter(node => areInCircle(node, node))
    .map(node => nodes.filter(other => areInCircle(node, other)));
  return [...new Map(circles.map(circle => [circle[0], circle])).values()];
}

function reachableFrom(start: string, graph: Map<string, string[]>): Set<string> {
  const reached = new Set<string>();
  const next = [start];
  for (let node = next.pop(); node !== undefined; node = next.pop())
    for (const imported of graph.get(node) ?? []) {
      if (reached.has(imported)) continue;
      reached.add(imported);
      next.push(imported);
    }
  return reached;
}

test("each folder imports only the folders that the table allows", () => {
  assert.ok(files.length > 30);
  assert.deepEqual(Object.keys(MAY_IMPORT).toSorted(), [...folderGraph.keys()].toSorted());
  const isAllowed = (folder: string, other: string) => MAY_IMPORT[folder]?.includes(other);
  const wrong = [...fileGraph].flatMap(([file, imported]) => {
    const folder = folderOf(file);
    return imported
      .filter(other => folderOf(other) !== folder && !isAllowed(folder, folderOf(other)))
      .map(other => `${file} imports ${other}`);
  });
  assert.deepEqual(wrong, []);
});

test("each package is imported only where the table says", () => {
  const importers: Record<string, Set<string>> = {};
  for (const file of files)
    for (const name of importsOf(file).filter(isPackage))
      (importers[name.replace(/\/.*/, "")] ??= new Set()).add(path.posix.dirname(file));
  const sorted = Object.entries(importers).map(([name, folders]) => [name, [...folders].toSorted()]);
  assert.deepEqual(Object.fromEntries(sorted), PACKAGES);
});

test("only broker/aedes/ imports what relies on aedes' private members", () => {
  const isPrivate = (name: string) => /^broker\/aedes\/(internals|persistence)\.ts$/.test(name);
  const importers = files.filter(file => importsOf(file).some(isPrivate));
  assert.deepEqual(new Set(importers.map(file => path.posix.dirname(file))), new Set(["broker/aedes"]));
});

test("broker/auth/ imports nothing else of the broker", () => {
  const imported = files.filter(file => file.startsWith("broker/auth/")).flatMap(file => importsOf(file));
  assert.ok(imported.length > 10);
  assert.deepEqual(
    imported.filter(name => name.startsWith("broker/") && !name.startsWith("broker/auth/")),
    [],
  );
});

test("no imports form a circle, of values or of types, between files or between folders", () => {
  assert.deepEqual(circlesIn(fileGraph), []);
  assert.deepEqual(circlesIn(folderGraph), []);
});

test("the vocabulary of events imports nothing but itself and MQTT's types", () => {
  const vocabulary = files.filter(file => file.startsWith("events/"));
  assert.ok(vocabulary.length > 3);
  for (const file of vocabulary)
    for (const [, name] of readFileSync(path.join(src, file), "utf8").matchAll(/from "([^"]+)"/g))
      assert.match(name ?? "", /^(\.\/[\w-]+|\.\.\/protocol\/types)\.js$/, file);
});

test("only cli/ and what starts a lesson's processes use the global process", () => {
  const users = files.filter(file => /(?<![.\w"/])process\.[a-z]+(?!")\b/.test(codeOf.get(file) ?? ""));
  const allowed =
    /^(cli\/(run-command|run-job|standard-streams|user-input)|lessons\/run\/lesson-process)\.ts$/;
  assert.deepEqual(
    users.filter(file => !allowed.test(file)),
    [],
  );
});

test("only mqtt-internals.ts uses private members of mqtt.js", () => {
  const users = files.filter(file => {
    const code = readFileSync(path.join(src, file), "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    return (
      file.startsWith("connection/") &&
      /\["_|\bclient(\(\))?\.(outgoing|keepaliveManager|messageIdProvider|options|stream)\b/.test(code)
    );
  });
  assert.deepEqual(users, ["connection/mqtt-internals.ts"]);
});
