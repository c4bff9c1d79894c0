import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { generated, written } from "../../scripts/docs.js";
import { KnownBrokers } from "../../src/lessons/lessons.js";
import { escapeMarkdown } from "../../src/render/markdown.js";
import { lessons } from "../support/checks.js";
import { lessonsDir, root } from "../support/paths.js";
import { command, temporaryFolder } from "../support/processes.js";

for (const [file, text] of Object.entries(generated()))
  test(`${file} is as the code makes it`, () =>
    assert.equal(written(file), text, `${file} is stale: npm run docs writes it anew`));

test("every page of docs/reference is generated, or is known to be written by hand", () => {
  const byHand = ["benchmarks.md", "brokers.md", "lesson-format.md"];
  const pages = Object.keys(generated()).filter(file => file.startsWith("docs/reference/"));
  assert.deepEqual(
    readdirSync(path.join(root, "docs", "reference")).toSorted(),
    [...byHand, ...pages.map(page => path.basename(page))].toSorted(),
  );
});

test("events.md has every event and every type that a field refers to", () => {
  const text = written("docs/reference/events.md");
  for (const name of ["connected", "will-published", "expected", "checked", "warning"])
    assert.match(text, new RegExp(`^### \`${name}\`$`, "m"));
  for (const name of ["Will", "Granted", "EndCause", "LimitName", "ReachedLimit", "Product", "QoS"])
    assert.match(text, new RegExp(`^### ${name}$`, "m"));
  assert.match(text, /^\| `retain` +\| `boolean` +\|$/m, "the last field of a type is there");
});

/** Every Markdown file that git tracks or would track, by its path from the root. */
const markdownFiles = [
  ...readdirSync(root).filter(file => file.endsWith(".md")),
  ...readdirSync(path.join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter(file => file.endsWith(".md"))
    .map(file => path.join("docs", file)),
];

/** Returns the anchors of a page's headings, as GitHub makes them. */
function anchorsOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8").replaceAll(/^```[^]*?^```/gm, "");
  const seen = new Map<string, number>();
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) => {
    const anchor = title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

/** Returns the links of a page that lead nowhere. */
function deadLinks(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8").replaceAll(/^```[^]*?^```|`[^`\n]*`(?!\])/gm, "");
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm)].map(([, a, b]) => a ?? b ?? "");
  return targets
    .filter(target => !/^[a-z]+:/.test(target))
    .filter(target => {
      const [to = "", anchor] = target.split("#");
      const page = to === "" ? file : path.join(path.dirname(file), to);
      if (!existsSync(path.join(root, page))) return true;
      return anchor !== undefined && !anchorsOf(page).includes(anchor);
    })
    .map(target => `${file}: ${target}`);
}

test("no link of a document leads nowhere", () => {
  assert.ok(markdownFiles.length > 30, `${markdownFiles.length} files`);
  assert.deepEqual(markdownFiles.flatMap(deadLinks), []);
});

test("no document and no source file names a page that is not there", () => {
  const sources = ["src", "scripts", "test", "examples"].flatMap(folder =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter(file => /\.(ts|mjs|yaml)$/.test(file) && !file.startsWith("built"))
      .map(file => path.join(folder, file)),
  );
  const dead = [...markdownFiles, ...sources, "build.mjs"].flatMap(file =>
    [...readFileSync(path.join(root, file), "utf8").matchAll(/(?<![\w/.-])docs\/[\w/-]+\.(?:md|svg)/g)]
      .filter(([page]) => !existsSync(path.join(root, page)))
      .map(([page]) => `${file}: ${page}`),
  );
  assert.deepEqual(dead, []);
});

test("README.md has at most 150 lines", () => {
  assert.ok(readFileSync(path.join(root, "README.md"), "utf8").split("\n").length <= 151);
});

test("lesson-format.md has every key of the lesson schema", () => {
  const keys = new Set<string>();
  const visit = (schema: unknown): void => {
    if (schema === null || typeof schema !== "object") return;
    for (const [name, value] of Object.entries(schema)) {
      if (name === "properties") for (const key of Object.keys(value as object)) keys.add(key);
      visit(value);
    }
  };
  visit(JSON.parse(written("examples/lessons/lesson.schema.json")));
  assert.ok(keys.size > 20, `${keys.size} keys`);
  const text = written("docs/reference/lesson-format.md");
  const missing = [...keys].filter(key => !new RegExp(`\`[^\`]*\\b${key}\\b`).test(text));
  assert.deepEqual(missing, []);
});

async function shown(t: TestContext, name: string, env: string): Promise<unknown[]> {
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, ".env"), env);
  const run = command(t, name, ["--show-settings"], { cwd });
  assert.equal(await run.exit(), 0, run.stderr);
  const { settings } = await run.event("settings");
  return settings.map(setting => [setting.name, setting.value]);
}

test("brokers.md has every lesson, and all that is known of brokers", async () => {
  const text = readFileSync(path.join(root, "docs", "reference", "brokers.md"), "utf8");
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
  const example = written(".env.example");
  const switchedOn = example.replaceAll(/^# ((?:PUB_|SUB_)?LWT_\w+=)/gm, "$1");
  assert.ok((switchedOn.match(/^[A-Z_]+=/gm)?.length ?? 0) > 50);
  for (const name of ["pub-lwt", "sub-lwt"]) {
    const without = await shown(t, name, "");
    assert.deepEqual(await shown(t, name, example), without);
    assert.deepEqual(await shown(t, name, switchedOn), without);
  }
});
