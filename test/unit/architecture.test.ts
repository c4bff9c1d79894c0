import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { root } from "../support/paths.js";

const src = path.join(root, "src");

/** The one way through the house: which room may know of which. */
const rules: [module: RegExp, allowedIn: RegExp][] = [
  [/^mqtt$/, /^connection\//],
  [/^aedes$/, /^broker\/aedes\//],
  [/\/aedes\/(internals|persistence)/, /^broker\/aedes\//],
  [/^chalk$/, /^render\//],
  [/^yargs\//, /^cli\//],
  [/^(yaml|zod)$/, /^lessons\//],
  [/\/cli\//, /^cli\//],
  [/\/render\//, /^(render\/|cli\/|index\.ts)/],
  [/\/lessons\//, /^(lessons|cli|index\.ts|render\/(l|sequence-diagram))/],
];

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map(file => file.replaceAll(path.sep, "/"))
  .filter(file => file.endsWith(".ts"));

test("each room imports only what it may", () => {
  assert.ok(files.length > 30);
  const wrong = files.flatMap(file => {
    const imports = readFileSync(path.join(src, file), "utf8").matchAll(/(?:from|import\()\s*"([^"]+)"/g);
    return [...imports]
      .map(([, name]) => name ?? "")
      .filter(name => rules.some(([module, allowed]) => module.test(name) && !allowed.test(file)))
      .map(name => `${file} imports ${name}`);
  });
  assert.deepEqual(wrong, []);
});

test("only cli/ and what starts a lesson's processes use the global process", () => {
  const users = files.filter(file => {
    const code = readFileSync(path.join(src, file), "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    return /(?<![.\w"/])process\.[a-z]+(?!")\b/.test(code);
  });
  const allowed =
    /^(cli\/(run-command|run-job|standard-streams|user-input)|lessons\/run\/lesson-process)\.ts$/;
  assert.deepEqual(
    users.filter(file => !allowed.test(file)),
    [],
  );
});
