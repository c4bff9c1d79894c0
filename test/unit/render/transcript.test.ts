import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { LessonEvent } from "../../../src/events/events.js";
import { Transcript } from "../../../src/render/transcript.js";
import { command, temporaryFolder } from "../../support/processes.js";

const time = new Date(2026, 0, 2, 14, 3, 5).toISOString();

function written(events: object[]): string {
  const transcript = new Transcript("mqtt-lwt-lab 1.2.3, Node.js 20.20.2, linux");
  for (const event of events) transcript.add({ time, ...event } as Parameters<Transcript["add"]>[0]);
  return transcript.text();
}

const LESSON: LessonEvent = {
  event: "lesson",
  name: "mine",
  title: "Mine",
  claims: ["S3"],
  participants: [
    { name: "broker", command: "lwt-broker" },
    { name: "Machine1", command: "pub-lwt" },
  ],
};
const CLAIM = {
  event: "expected",
  held: true,
  clause: "[MQTT-3.1.2-5]",
  instead: null,
  mandatory: true,
  reason: null,
} as const;
const END = {
  lesson: "mine",
  skipped: null,
  deviations: 0,
  notObserved: 0,
  next: null,
  predictions: 1,
  correctPredictions: 0,
};

test("a transcript has steps, what was typed and drawn, claims, predictions, versions and broker", () => {
  const text = written([
    LESSON,
    { event: "step", number: 1, say: "It comes." },
    { event: "process", name: "Machine1", pid: 1, command: "pub-lwt -m x" },
    { event: "connecting", process: "Machine1", broker: "mqtt://127.0.0.1:1", clientId: "Machine1" },
    { ...CLAIM, what: "it came", deviation: false, seconds: 1.25 },
    { event: "prediction", question: "Twice?", choices: ["yes", "no"] },
    { ...CLAIM, what: "once", held: false, instead: "two came", deviation: false, seconds: null },
    { event: "revealed", question: "Twice?", answer: 2, choice: "no", because: "It is QoS 2.", predicted: 1 },
    { event: "result", ...END, passed: false, held: 1, failed: 1 },
  ]);
  const [head = "", ...rest] = text.split("\n\n");
  assert.equal(head, "# Mine");
  assert.match(rest[0] ?? "", /^Lesson mine, on S3\. {2}\n.*2026.*mqtt-lwt-lab 1\.2\.3.*, on lwt-broker\.$/);
  assert.equal(
    rest.slice(1).join("\n\n"),
    `## 1. It comes.

\`\`\`
Machine1 $ pub-lwt -m x

Machine1                                                   broker
    │── CONNECT ─────────────────────────────────────────────▶│
\`\`\`

| | claim | clause |
| --- | --- | --- |
| held | it came (1.3 s) | \\[MQTT-3.1.2-5\\] |

**Prediction:** Twice?

1. yes
2. no

| | claim | clause |
| --- | --- | --- |
| **failed** | once; two came | \\[MQTT-3.1.2-5\\] |

Prediction: 1. **Answer:** 2, no. It is QoS 2.

**Failed.** Claims held: 1, failed: 1, differing: 0, not observed: 0; predictions: 0 of 1 right.
`,
  );
});

test("text from anywhere makes no Markdown, no HTML, and ends no block", () => {
  const hostile = fc.string({ unit: fc.constantFrom(...Array.from("`*_[]()<>|~&#\\!a \n\r\u001b\u202e")) });
  fc.assert(
    fc.property(hostile, text => {
      const markdown = written([
        { ...LESSON, name: text, title: text },
        { event: "step", number: 1, say: text },
        { event: "process", name: "Machine1", pid: 1, command: text },
        { ...CLAIM, what: text, instead: text, deviation: false, seconds: null },
      ]);
      assert.doesNotMatch(markdown, /[\u001b\u202e\r]/);
      const fences = markdown.split("\n").filter(line => /^`{3,}$/.test(line));
      assert.ok(fences.length === 2 || text.trim() === "", markdown);
      const [outside = ""] = markdown.split(/^`{3,}$/m);
      assert.doesNotMatch(outside, /(?<!\\)(?:\\\\)*[`*_[\]<>|~&]/);
    }),
    { numRuns: 100 },
  );
});

test("lwt-demo --transcript writes a file, of a lesson that is left too, and says when it can't", async t => {
  const folder = temporaryFolder(t);
  const lesson = path.join(folder, "mine.yaml");
  writeFileSync(lesson, 'name: mine\ntitle: "Mine"\nsteps:\n  - say: One.\n');
  const file = path.join(folder, "mine.md");
  const run = command(t, "lwt-demo", [lesson, "--transcript", file]);
  assert.equal(await run.exit(), 0, run.stderr);
  assert.match(readFileSync(file, "utf8"), /^# Mine\n[^]*## 1\. One\.[^]*\*\*Passed\.\*\*/);
  const left = command(t, "lwt-demo", ["queued", "--transcript", file]);
  await left.event("step");
  left.child.send("stop");
  assert.equal(await left.exit(), 130);
  assert.match(readFileSync(file, "utf8"), /^# [^]*\*\*interrupted\.\*\*/);
  const nowhere = command(t, "lwt-demo", [lesson, "--transcript", path.join(folder, "no", "mine.md")]);
  assert.equal(await nowhere.exit(), 1);
  await nowhere.event("error", { code: "transcript" });
});
