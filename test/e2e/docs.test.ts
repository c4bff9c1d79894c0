import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { KnownBrokers } from "../../src/lessons/lessons.js";
import { escapeMarkdown } from "../../src/render/markdown.js";
import { lessons } from "../support/checks.js";
import {
  envExample,
  lessonSchema,
  limitTable,
  optionTables,
  sizingTable,
  written,
} from "../../scripts/docs.js";
import { command, temporaryFolder } from "../support/processes.js";
import { lessonsDir, root } from "../support/paths.js";

test("README.md and .env.example say of options what the tables in the code say", () => {
  const { envExample: example, optionTables: tables } = written();
  assert.equal(example, envExample(), "npm run docs writes it anew");
  assert.equal(tables, optionTables(), "npm run docs writes it anew");
});

async function shown(t: TestContext, name: string, env: string): Promise<unknown[]> {
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, ".env"), env);
  const run = command(t, name, ["--show-settings"], { cwd });
  assert.equal(await run.exit(), 0, run.stderr);
  const { settings } = await run.event("settings");
  return settings.map(setting => [setting.name, setting.value]);
}

test("README.md says of the broker's limits what the table in the code says", () => {
  assert.equal(written().limitTable, limitTable(), "npm run docs writes it anew");
});

test("docs/scale.md sizes brokers by what docs/performance.md has measured", () => {
  assert.equal(written().sizingTable, sizingTable(), "npm run docs writes it anew");
});

test("the schema beside the lessons is the one that they are read with", () => {
  assert.equal(written().lessonSchema, lessonSchema(), "npm run docs writes it anew");
});

test("docs/brokers.md has every lesson, and all that is known of brokers", async () => {
  const text = readFileSync(path.join(root, "docs", "brokers.md"), "utf8");
  const brokers = await KnownBrokers.load(lessonsDir);
  const anew = "npm run docs:brokers writes it anew";
  for (const name of lessons)
    assert.match(text, new RegExp(`^\\| \`${name}\` \\| ((held|skipped) \\| ){2}`, "m"), anew);
  assert.match(text, /^\| `cluster-failover` \| (skipped \| ){4}held \|$/m, anew);
  assert.match(text, /^## rabbitmq [\d.]+, three nodes$/m, anew);
  for (const name of ["mosquitto-2.0", "rabbitmq-3.10"]) {
    const section = text.split(/^## /m).find(each => each.startsWith(name.replace("-", " "))) ?? "";
    for (const { lesson, claim, reason } of brokers.deviationsOf(brokers.productNamed(name))) {
      const row = section
        .split("\n")
        .find(line => line.startsWith(`| \`${lesson}\` | ${escapeMarkdown(claim)} |`));
      assert.ok(row?.endsWith(` | ${escapeMarkdown(reason)} |`), `${name}: ${claim}: ${anew}`);
    }
  }
});

test(".env.example copied to .env changes nothing, nor with every line switched on", async t => {
  const switchedOn = envExample().replaceAll(/^# ((?:PUB_|SUB_)?LWT_\w+=)/gm, "$1");
  assert.ok((switchedOn.match(/^[A-Z_]+=/gm)?.length ?? 0) > 50);
  for (const name of ["pub-lwt", "sub-lwt"]) {
    const without = await shown(t, name, "");
    assert.deepEqual(await shown(t, name, envExample()), without);
    assert.deepEqual(await shown(t, name, switchedOn), without);
  }
});
