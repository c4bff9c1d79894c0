import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { assertKnownDeviationsOnly, lessons, NEEDS_MQTT5, NEEDS_BROKER_LIST } from "../support/checks.js";
import { temporaryFolder } from "../support/processes.js";

const SKIPPED = [...NEEDS_MQTT5, ...NEEDS_BROKER_LIST];

test("every lesson holds on a bundled broker that stores its data on disk, and the report shows it", async t => {
  const file = path.join(temporaryFolder(t), "check.md");
  const run = await assertKnownDeviationsOnly(t, SKIPPED, ["--on-disk", "--report", file]);
  assert.equal(run.all("checking")[0]?.broker, "lwt-broker --data");
  const report = readFileSync(file, "utf8");
  assert.match(
    report,
    /^# Check of lwt-broker [\d.]+ --data\n\n\d{4}-\d\d-\d\d, .* 19 held, 0 deviate, 2 skipped/,
  );
  const rows = report.split("\n").filter(line => line.includes(" | held | "));
  assert.deepEqual(
    rows.map(row => /^\| `([\w-]+)` \| S\d/.exec(row)?.[1]),
    lessons.filter(name => !SKIPPED.includes(name)),
  );
});
