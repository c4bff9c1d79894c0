import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { builtInLesson } from "../../src/lessons/catalogue.js";
import { brokenBroker, type DEFECTS } from "../support/broken-broker.js";
import { lessons, NEEDS_MQTT5, NEEDS_BROKER_LIST, NEEDS_OWN_BROKER } from "../support/checks.js";
import { command, lwtBroker, missing, mosquitto, temporaryFolder } from "../support/processes.js";
import { lessonsDir } from "../support/paths.js";

/** Limits each wait, so that a lesson whose event does not come ends within 30 s. */
const MAX_WITHIN_SECONDS = 20;
/** Most of the time the lessons wait. */
const MAX_CONCURRENT_LESSONS = 8;

/** Each lesson, the defect of its broker, and the claim that the lesson reports as broken. */
const defects: [lesson: string, defect: keyof typeof DEFECTS, claim: RegExp][] = [
  ["offline-notification", "discards wills", /receives "Sensor Offline"/],
  ["offline-notification", "publishes the will after DISCONNECT", /no "Sensor Offline" before it/],
  ["offline-notification", "refuses every subscription", /Subscriber1: subscribed/],
  ["retained-late-joiner", "ignores retain", /receives the last reading at once/],
  ["retained-late-joiner", "clears the retain flag", /receives the last reading at once/],
  ["retained-late-joiner", "refuses retain", /Machine1: acknowledged/],
  ["non-persistent", "stores clean sessions", /no session was stored/],
  ["queued", "discards sessions", /receives all five/],
  ["acknowledged", "clears DUP", /the same three packet identifiers/],
  ["acknowledged", "discards sessions", /the same three packet identifiers/],
  ["acknowledged", "ignores acknowledgments", /an acknowledged message is not sent again/],
  ["publisher-outbox", "discards messages with DUP", /receives the same run and numbers/],
  ["qos-matters", "discards sessions", /QoS 1 on both sides the message is stored/],
  ["the-slide-code", "discards wills", /without disconnect\(\) the broker|receives the same will/],
  ["client-id", "accepts a client ID twice", /publishes First's will/],
  ["will-fields", "discards wills", /the will is the message that was set/],
  ["will-fields", "ignores retain", /receives will beta, which is retained/],
  ["one-will-topic", "discards wills", /nothing in it names the machine/],
  ["will-network", "discards wills", /receives the will after the reset/],
  ["will-keep-alive", "discards wills", /4\.5 s after the last packet/],
  ["will-keep-alive", "ignores keep alive", /4\.5 s after the last packet/],
  ["will-no-disconnect", "discards wills", /without DISCONNECT the will is published/],
  ["will-protocol-error", "discards wills", /the broker publishes the will/],
  ["graceful", "publishes the will after DISCONNECT", /the marker arrives/],
  ["birth-and-death", "ignores retain", /joins late/],
  ["birth-and-death", "discards wills", /first dashboard receives the will/],
  ["old-subscription", "discards sessions", /the old filter still works/],
];

test("no lesson waits long for an event that does not come", async () => {
  for (const name of lessons)
    for (const step of (await builtInLesson(lessonsDir, name)).steps)
      if (step.kind === "expect") assert.ok(step.within <= MAX_WITHIN_SECONDS, `${name}: ${step.within} s`);
});

async function failsOn(
  t: TestContext,
  lesson: string,
  port: number,
  defect: keyof typeof DEFECTS,
  claim: RegExp,
): Promise<void> {
  const url = `mqtt://127.0.0.1:${await brokenBroker(t, port, defect)}`;
  const run = command(t, "lwt-demo", [lesson, "--broker", url]);
  const failed = await run.event("expected", { held: false, deviation: false });
  assert.match(failed.what, claim);
  assert.ok(failed.instead);
  await run.event("result", { passed: false });
  assert.equal(await run.exit(), 1);
}

test("each lesson fails on a broker that breaks its claim", {
  concurrency: MAX_CONCURRENT_LESSONS,
}, async t => {
  const { port } = await lwtBroker(t);
  await Promise.all(
    defects.map(([lesson, defect, claim]) =>
      t.test(`${lesson}, on a broker that ${defect}`, t => failsOn(t, lesson, port, defect, claim)),
    ),
  );
});

const mqtt5Defects: [defect: keyof typeof DEFECTS, claim: RegExp][] = [
  ["stores every session", /without an expiry stores no session/],
  ["stores no session", /with an expiry the broker has stored the session/],
  ["ignores the will delay", /no will was published/],
];

test("session-expiry fails on a broker that breaks its claim", {
  skip: missing("mosquitto", ["-h"]),
  concurrency: MAX_CONCURRENT_LESSONS,
}, async t => {
  const { port } = await mosquitto(t);
  await Promise.all(
    mqtt5Defects.map(([defect, claim]) =>
      t.test(`on a broker that ${defect}`, t => failsOn(t, "session-expiry", port, defect, claim)),
    ),
  );
});

test("broker-restart fails on a broker that loses its data", async t => {
  const file = path.join(lessonsDir, "broker-restart.yaml");
  const [start, again, ...rest] = readFileSync(file, "utf8").split("--data broker-data");
  const folder = temporaryFolder(t);
  writeFileSync(
    path.join(folder, "mine.yaml"),
    `${start}--data broker-data${again}--data empty${rest.join()}`,
  );
  const run = command(t, "lwt-demo", ["./mine.yaml"], { cwd: folder });
  const failed = await run.event("expected", { held: false });
  assert.match(failed.what, /finds the session and the five messages in its folder/);
  assert.match(failed.instead ?? "", /sessions/);
  assert.equal(await run.exit(), 1);
});

test("every lesson has a broker that breaks it", () => {
  const withOtherTests = [...NEEDS_OWN_BROKER, ...NEEDS_BROKER_LIST, ...NEEDS_MQTT5];
  assert.deepEqual(new Set([...defects.map(([lesson]) => lesson), ...withOtherTests]), new Set(lessons));
});
