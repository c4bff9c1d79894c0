import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  assertAllEnded,
  runSteps,
  WAIT_FOR_NOTHING,
  HEAD,
  lastResult,
  SUBSCRIBED,
  renderedText,
} from "../support/own-lessons.js";
import {
  command,
  ends,
  freePort,
  missing,
  mosquitto,
  noPaho,
  temporaryFolder,
} from "../support/processes.js";

test("offline-notification passes, draws its events in 80 columns, and leaves no process", async t => {
  const run = command(t, "lwt-demo", ["offline-notification"]);
  assert.equal(await run.exit(), 0);
  const result = lastResult(run);
  assert.deepEqual([result.passed, result.failed, result.skipped], [true, 0, null]);
  assert.equal(result.held, run.all("expected").filter(({ held }) => held).length);
  assert.deepEqual(
    new Set(run.all("process").map(({ name }) => name)),
    new Set(["broker", "Subscriber1", "Machine1"]),
  );
  const told = run
    .all("status")
    .map(({ state, ...event }) => ({ state, process: String(Reflect.get(event, "process")) }));
  assert.deepEqual(
    told,
    ["online", "offline", "offline", "offline", "online", "stopped"].map(state => ({
      state,
      process: "Subscriber1",
    })),
  );
  assertAllEnded(run);

  const text = renderedText(run);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  const story = [
    "CONNECT",
    "stores the will",
    "PUBLISH 3",
    "╳ closes, no DISCONNECT",
    "OFFLINE",
    "will discarded",
  ];
  let at = 0;
  for (const part of story) {
    const found = text.indexOf(part, at);
    assert.ok(found > 0, `${part} is missing after ${story[story.indexOf(part) - 1]}:\n${text}`);
    at = found;
  }
  assert.match(text, /8 claims held/);
});

test("a command is shown as a user types it", async t => {
  const steps = `  - start: M\n    run: [pub-lwt, --message, two words, --will-payload, ""]\n  - expect: disconnected\n    from: M\n`;
  const run = runSteps(t, steps);
  assert.equal(await run.exit(), 0);
  const { command: typed } = await run.event("process", { name: "M" });
  assert.match(typed, /^pub-lwt --message "two words" --will-payload "" --broker mqtt:/);
});

const QUESTION = "  - predict: what comes?\n    choices: [this, that]\n    answer: 2\n    because: it must\n";

test("a question comes before the events that answer it, and the answer at the end of the step", async t => {
  const run = runSteps(t, `${QUESTION}${SUBSCRIBED}  - say: next\n`);
  assert.equal(await run.exit(), 0);
  const story = run.events.filter(({ event }) => /^(prediction|observed|revealed|step)$/.test(event));
  assert.deepEqual(
    story.map(({ event }) => event),
    ["observed", "prediction", "observed", "revealed", "step"],
  );
  const { answer, choice, because } = await run.event("revealed");
  assert.deepEqual([answer, choice, because], [2, "that", "it must"]);
  assert.match(
    renderedText(run),
    /\? {7}what comes\?\n +1 {2}this\n +2 {2}that\n[^]*SUB[^]*answer {2}2 {2}that\n +it must/,
  );
});

test("without a Python that has paho-mqtt 1.x, the slide's code is left out, with a warning", async t => {
  const run = command(t, "lwt-demo", ["the-slide-code"], { env: { PATH: temporaryFolder(t) } });
  assert.equal(await run.exit(), 0, run.stderr);
  const { held, notObserved, passed } = lastResult(run);
  assert.deepEqual([held, notObserved, passed], [4, 5, true]);
  await run.event("warning", { code: "no-paho" });
});

test("an external broker that can't be used is an error, and no claim fails", async t => {
  const port = await freePort();
  const run = command(t, "lwt-demo", ["queued", "--broker", `127.0.0.1:${port}`]);
  assert.equal(await run.exit(), 1);
  assert.deepEqual(
    run.events.map(({ event }) => event),
    ["error"],
  );
  const { code, hint } = await run.event("error");
  assert.deepEqual([code, hint.includes(`--port ${port}`)], ["no-broker", true]);
});

test("a wrong broker URL is a usage error without its password", async t => {
  const run = runSteps(t, SUBSCRIBED, { args: ["-b", "mqtt://a:s3cret@h:99999"] });
  assert.equal(await run.exit(), 2);
  assert.doesNotMatch(run.stdout + run.stderr, /s3cret/);
});

test("a lesson reports the usage error of its command", async t => {
  const run = runSteps(t, `  - start: Sub\n    run: sub-lwt --qso 1\n${WAIT_FOR_NOTHING}`);
  assert.equal(await run.exit(), 1);
  assert.match(run.all("expected").at(-1)?.instead ?? "", /exit code 2: .*no option --qso/);
});

test("a lesson ignores the settings in the environment", async t => {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, "mine.yaml"), HEAD + SUBSCRIBED);
  writeFileSync(path.join(folder, ".env"), "LWT_BROKER=mqtt://127.0.0.1:1\n");
  const env = { LWT_BROKER: "mqtt://127.0.0.1:1", SUB_LWT_TOPIC: "nothing" };
  const run = command(t, "lwt-demo", ["./mine.yaml"], { cwd: folder, env });
  assert.equal(await run.exit(), 0);
  assert.ok(run.all("subscribed").some(({ topicFilter }) => topicFilter === "sensors/lastwill"));
});

const wrongUses: [args: string[], message: RegExp][] = [
  [[], /no lesson is named/],
  [["offlin-notification"], /Did you mean offline-notification\?/],
  [["./absent.yaml"], /no such file/],
  [["list", "--qiet"], /Did you mean --quiet\?/],
];
test("lwt-demo reports wrong uses", async t => {
  const runs = await ends(
    t,
    wrongUses.map(([args]) => ({ name: "lwt-demo", args })),
  );
  for (const [i, [args, message]] of wrongUses.entries()) {
    const { exit, stdout, stderr } = runs[i] ?? assert.fail();
    assert.equal(exit, 2, args.join(" "));
    assert.match(stderr.replaceAll(/\s+/g, " "), message);
    assert.equal(stdout, "");
  }
});

test("lessons hold on Mosquitto, over TCP and over WebSocket", {
  skip: missing("mosquitto", ["-h"]),
}, async t => {
  const { url, wsPort } = await mosquitto(t);
  const runs: [lesson: string, broker: string][] = [
    ["the-slide-code", url],
    ["queued", `ws://127.0.0.1:${wsPort}/mqtt`],
  ];
  for (const [lesson, broker] of runs) {
    const run = command(t, "lwt-demo", [lesson, "--broker", broker]);
    assert.equal(await run.exit(), 0, run.stdout);
    assert.ok(lastResult(run).held > 0);
    const withoutPaho = run.all("warning").some(({ code }) => code === "no-paho");
    assert.equal(withoutPaho, lesson === "the-slide-code" && noPaho !== false);
  }
});

test("lwt-demo list shows every lesson with its claims", async t => {
  const run = command(t, "lwt-demo", ["list"], { json: false });
  assert.equal(await run.exit(), 0);
  assert.match(run.stdout, /^offline-notification +S10 S12 +\S/m);
  assert.doesNotMatch(run.stdout, /…/, "a title is too long for 80 columns");
  assert.match(run.stdout, /^S1 +A subscriber that joins late/m);
  for (const line of run.stdout.split("\n")) assert.ok(line.length <= 80, line);
  const cited = [...run.stdout.matchAll(/ (S\d+[a-e]?)(?= )/g)].map(([, claim]) => claim);
  for (const claim of new Set(cited)) assert.match(run.stdout, new RegExp(`^${claim} +\\S`, "m"));
});
