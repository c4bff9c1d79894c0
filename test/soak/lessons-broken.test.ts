import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { builtInLesson } from "../../src/lessons/catalogue.js";
import { brokenBroker, type DEFECTS } from "../support/broken-broker.js";
import { names, NEED_MQTT_5, NEED_OTHER_BROKERS, NEED_THEIR_BROKER } from "../support/checks.js";
import { command, lwtBroker, missing, mosquitto, temporaryFolder } from "../support/processes.js";
import { lessonsDir } from "../support/paths.js";

/** Seconds that a lesson may wait for what doesn't come; with what went before it has said so within 30. */
const LONGEST_WAIT = 20;
/** Most of the time they wait for what doesn't come. */
const SIDE_BY_SIDE = 8;

/** Each lesson on a broker that breaks its claim, and the claim that it says is broken. */
const broken: [lesson: string, defect: keyof typeof DEFECTS, claim: RegExp][] = [
  ["offline-notification", "drops wills", /told that the machine is offline/],
  ["offline-notification", "sends the will after DISCONNECT too", /no "Sensor Offline" before it/],
  ["offline-notification", "forbids every topic", /Subscriber1: subscribed/],
  ["retained-late-joiner", "ignores retain", /the last reading comes at once/],
  ["retained-late-joiner", "sends retained messages as if they were new", /the last reading comes at once/],
  ["retained-late-joiner", "refuses retain", /Machine1: acknowledged/],
  ["non-persistent", "keeps clean sessions", /it kept no session/],
  ["queued", "queues nothing", /all five come/],
  ["acknowledged", "forgets DUP", /the same three packet identifiers/],
  ["acknowledged", "queues nothing", /the same three packet identifiers/],
  ["acknowledged", "ignores acknowledgments", /what was acknowledged does not come again/],
  ["publisher-outbox", "takes DUP for already had", /the same run and numbers come/],
  ["qos-matters", "queues nothing", /QoS 1 on both sides is kept/],
  ["the-slide-code", "drops wills", /without disconnect\(\) the broker|and then the same will/],
  ["client-id", "lets two clients have one ID", /First's will is sent/],
  ["will-fields", "drops wills", /the will is the message that was set/],
  ["will-fields", "ignores retain", /will beta, retained/],
  ["one-will-topic", "drops wills", /nothing in it tells whose/],
  ["will-network", "drops wills", /the will reaches the subscriber/],
  ["will-keep-alive", "drops wills", /4\.5 s after the last packet/],
  ["will-keep-alive", "does not mind silence", /4\.5 s after the last packet/],
  ["will-no-disconnect", "drops wills", /without DISCONNECT the will is sent/],
  ["will-protocol-error", "drops wills", /the will is sent/],
  ["graceful", "sends the will after DISCONNECT too", /the marker comes/],
  ["birth-and-death", "ignores retain", /joins late/],
  ["birth-and-death", "drops wills", /told by the will/],
  ["old-subscription", "queues nothing", /the old filter still works/],
];

test("no lesson waits long for what does not come", async () => {
  for (const name of names)
    for (const step of (await builtInLesson(lessonsDir, name)).steps)
      if (step.kind === "expect") assert.ok(step.within <= LONGEST_WAIT, `${name}: ${step.within} s`);
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

test("each lesson fails, and says why, on a broker that breaks its claim", {
  concurrency: SIDE_BY_SIDE,
}, async t => {
  const { port } = await lwtBroker(t);
  await Promise.all(
    broken.map(([lesson, defect, claim]) =>
      t.test(`${lesson}, on one that ${defect}`, t => failsOn(t, lesson, port, defect, claim)),
    ),
  );
});

const broken5: [defect: keyof typeof DEFECTS, claim: RegExp][] = [
  ["keeps every session", /without an expiry keeps no session/],
  ["keeps no session", /with an expiry the broker has kept the session/],
  ["does not wait with wills", /no will was sent/],
];

test("session-expiry fails, and says why, on a broker that breaks its claim", {
  skip: missing("mosquitto", ["-h"]),
  concurrency: SIDE_BY_SIDE,
}, async t => {
  const { port } = await mosquitto(t);
  await Promise.all(
    broken5.map(([defect, claim]) =>
      t.test(`on one that ${defect}`, t => failsOn(t, "session-expiry", port, defect, claim)),
    ),
  );
});

test("broker-restart fails, and says why, where the broker does not find what it had", async t => {
  const file = path.join(lessonsDir, "broker-restart.yaml");
  const [start, again, ...rest] = readFileSync(file, "utf8").split("--data broker-data");
  const folder = temporaryFolder(t);
  writeFileSync(
    path.join(folder, "mine.yaml"),
    `${start}--data broker-data${again}--data empty${rest.join()}`,
  );
  const run = command(t, "lwt-demo", ["./mine.yaml"], { cwd: folder });
  const failed = await run.event("expected", { held: false });
  assert.match(failed.what, /finds the session in its folder/);
  assert.match(failed.instead ?? "", /sessions/);
  assert.equal(await run.exit(), 1);
});

test("no lesson is left out", () => {
  const withTheirOwn = [...NEED_THEIR_BROKER, ...NEED_OTHER_BROKERS, ...NEED_MQTT_5];
  assert.deepEqual(new Set([...broken.map(([lesson]) => lesson), ...withTheirOwn]), new Set(names));
});
