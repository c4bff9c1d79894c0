import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { findsWhatIsKnown, names, NEED_MQTT_5, NEED_OTHER_BROKERS } from "../support/checks.js";
import { temporaryFolder } from "../support/processes.js";

const SKIPPED = [...NEED_MQTT_5, ...NEED_OTHER_BROKERS];

test("every lesson holds on a bundled broker that keeps its data on disk, and the report says so", async t => {
  const file = path.join(temporaryFolder(t), "check.md");
  const run = await findsWhatIsKnown(t, SKIPPED, ["--on-disk", "--report", file]);
  assert.equal(run.all("checking")[0]?.broker, "lwt-broker --data");
  const report = readFileSync(file, "utf8");
  assert.match(
    report,
    /^# Check of lwt-broker [\d.]+ --data\n\n\d{4}-\d\d-\d\d, .* 19 held, 0 deviate, 2 skipped/,
  );
  const rows = report.split("\n").filter(line => line.includes(" | held | "));
  assert.deepEqual(
    rows.map(row => /^\| `([\w-]+)` \| S\d/.exec(row)?.[1]),
    names.filter(name => !SKIPPED.includes(name)),
  );
});
