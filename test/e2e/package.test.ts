import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { root } from "../support/paths.js";

/** The licences that the installed and the bundled packages may have. */
const ALLOWED = new Set([
  "MIT",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "Apache-2.0",
  "0BSD",
  "BlueOak-1.0.0",
]);
/** ws is faster with these, and works without. */
const OPTIONAL = ["bufferutil", "utf-8-validate"];

const read = (file: string) => readFileSync(path.join(root, file), "utf8");
const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
const { packages } = JSON.parse(read("package-lock.json")) as {
  packages: Record<string, { dev?: true; license?: string }>;
};
const built = readdirSync(path.join(root, "dist"), { recursive: true, encoding: "utf8" });
const builtFiles = (suffix: string) =>
  built.filter(file => file.endsWith(suffix)).map(file => `dist/${file}`);
const found = (files: string[], pattern: RegExp) =>
  new Set(files.flatMap(file => [...read(file).matchAll(pattern)].map(([, name = ""]) => name)));

/** Licence by name, as the build lists them. */
const bundled = new Map(
  [...read("dist/THIRD-PARTY-LICENSES.txt").matchAll(/(?:^|={80}\n\n)(\S+) \S+ \((.+)\)\n\n/g)].map(
    ([, name = "", licence = ""]) => [name, licence],
  ),
);

test("the licence of every package in a bundle is in the tarball", () => {
  const inBundles = found(builtFiles(".cjs"), /^ *\/\/ .*node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm);
  assert.ok(inBundles.has("mqtt") && inBundles.has("zod"));
  assert.deepEqual([...bundled.keys()].toSorted(), [...inBundles].toSorted());
});

test("every licence, of what is in a bundle and of what is installed beside it, is an allowed one", () => {
  const installed = Object.entries(packages).filter(([folder, { dev }]) => folder !== "" && !dev);
  assert.ok(bundled.size > 20 && installed.length > 20);
  const licences = [...bundled, ...installed.map(([folder, { license = "" }]) => [folder, license] as const)];
  assert.deepEqual(
    licences.filter(([, licence]) => !ALLOWED.has(licence)),
    [],
  );
});

test("the library imports its dependencies only, in its types too, and the commands nothing", () => {
  const library = found(["dist/index.js", ...builtFiles(".d.ts")], /(?:from |import\()"([^."][^"]*)"/g);
  const commands = found(builtFiles(".cjs"), /\brequire\("([^."][^"]*)"\)/g);
  const ours = new Set(["mqtt-lwt-lab", ...Object.keys(dependencies)]); // a comment in the types names the first
  assert.ok(library.has("mqtt") && commands.has("node:fs"));
  assert.deepEqual(
    [...library].filter(name => !isBuiltin(name) && !ours.has(name.replace(/^mqtt\/.*/, "mqtt"))),
    [],
  );
  assert.deepEqual(
    [...commands].filter(name => !isBuiltin(name) && !OPTIONAL.includes(name)),
    [],
  );
});
