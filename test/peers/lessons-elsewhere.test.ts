import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import {
  assertAllEnded,
  PUBLISHER_CUT,
  runSteps,
  WAIT_FOR_NOTHING,
  lastResult,
  SUBSCRIBED,
} from "../support/own-lessons.js";
import { command, lwtBroker, missing, mosquitto, temporaryFolder } from "../support/processes.js";
import { root } from "../support/paths.js";

const NAMED_SUBSCRIBER = "  - start: Sub\n    run: sub-lwt -t {ns}/+/SensorData -i Subscriber1{x}\n";
const LEAVES_SESSIONS = `${NAMED_SUBSCRIBER.trimEnd()}
  - expect: subscribed
    from: Sub
  - start: M
    run: pub-lwt --count 1 --no-will
  - expect: acknowledged
    from: M
    where: { topic: "{ns}/Machine1/SensorData" }
  - expect: session-stored
    from: broker
    what: the broker keeps the session
`;
const CLEANUP = "cleanup:\n  - sub-lwt --forget -i Subscriber1{x}\n  - pub-lwt --forget -i M{x}\n";

/** Resolves to the sessions and retained messages that a lesson has left on the broker. */
async function leftOn(t: TestContext, url: string) {
  const status = command(t, "lwt-broker", ["status", "--port", new URL(url).port]);
  assert.equal(await status.exit(), 0);
  const { sessions, retained } = await status.event("broker-status");
  return { sessions: sessions.map(({ clientId }) => clientId), retained: retained.map(({ topic }) => topic) };
}

test("on an external broker a lesson has unique names, skips claims on the bundled one, and leaves nothing", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const run = runSteps(t, LEAVES_SESSIONS + CLEANUP, { args: ["--broker", url] });
  assert.equal(await run.exit(), 0, run.stdout);
  const { held, notObserved, passed } = lastResult(run);
  assert.deepEqual([held, notObserved, passed], [0, 1, true]);
  assert.deepEqual(run.all("listening"), []);
  const [{ topicFilter } = { topicFilter: "" }] = run.all("subscribed");
  const [, random] = /^Binil-([0-9a-f]{6})\/\+\/SensorData$/.exec(topicFilter) ?? [];
  const ids = broker.all("client-connected").map(({ clientId }) => clientId.replace(/^Probex.*/, "Probe"));
  assert.deepEqual(new Set(ids), new Set([`Subscriber1x${random}`, `Mx${random}`, "Probe"]));
  assert.deepEqual(await leftOn(t, url), { sessions: [], retained: [] });
});

test("a lesson cleans up after a failure and after Ctrl-C too", async t => {
  const { url } = await lwtBroker(t);
  const failing = runSteps(
    t,
    `${LEAVES_SESSIONS}  - expect: summary\n    from: Sub\n    within: 0.1\n${CLEANUP}`,
    {
      args: ["-b", url],
    },
  );
  assert.equal(await failing.exit(), 1);
  assert.deepEqual(await leftOn(t, url), { sessions: [], retained: [] });
  const left = runSteps(t, LEAVES_SESSIONS + WAIT_FOR_NOTHING + CLEANUP, { args: ["-b", url] });
  await left.event("observed", { what: "Sub: subscribed" });
  left.child.send("stop");
  assert.equal(await left.exit(), 130);
  assert.deepEqual(await leftOn(t, url), { sessions: [], retained: [] });
});

test("a clean-up that fails gives a warning with the commands to type", async t => {
  const { url } = await lwtBroker(t);
  const run = runSteps(t, `${SUBSCRIBED}cleanup: [sub-lwt --forget --qso 1]\n`, { args: ["-b", url] });
  assert.equal(await run.exit(), 0);
  const { message, hint } = await run.event("warning", { code: "not-cleaned-up" });
  assert.match(message, /exit code 2/);
  assert.match(hint, /npx sub-lwt --forget --qso 1/);
});

test("Ctrl-C mends a link that is cut, and the processes end gracefully", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const run = runSteps(t, SUBSCRIBED + PUBLISHER_CUT + WAIT_FOR_NOTHING + CLEANUP, { args: ["-b", url] });
  await run.event("link", { state: "cut" });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  assertAllEnded(run);
  assert.deepEqual(
    broker.all("client-disconnected").filter(({ cause }) => cause !== "graceful"),
    [],
  );
});

test("user name and password reach the clients, and no output", {
  skip: missing("mosquitto", ["-h"]),
}, async t => {
  const { port, process: broker } = await mosquitto(t);
  const logins: [url: string, env: Record<string, string>][] = [
    [`mqtt://Ada:s3cret@127.0.0.1:${port}`, {}],
    [`127.0.0.1:${port}`, { LWT_USERNAME: "Eve", LWT_PASSWORD: "s3cret" }],
  ];
  for (const [url, env] of logins) {
    const run = runSteps(t, `${NAMED_SUBSCRIBER}  - expect: subscribed\n    from: Sub\n`, {
      args: ["-b", url],
      env,
    });
    assert.equal(await run.exit(), 0);
    assert.doesNotMatch(run.stdout + run.stderr, /s3cret/);
  }
  for (const user of ["Ada", "Eve"]) await broker.outputHas(new RegExp(`as Subscriber1x[^ ]+ .*u'${user}'`));
});

test("the lesson in write-a-lesson.md passes, on a broker of its own and on another", async t => {
  const text = readFileSync(path.join(root, "docs", "how-to", "write-a-lesson.md"), "utf8");
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, "mine.yaml"), /```yaml\n([^]*?)```/.exec(text)?.[1] ?? "");
  const { url } = await lwtBroker(t);
  for (const args of [[], ["-b", url]]) {
    const run = command(t, "lwt-demo", ["./mine.yaml", ...args], { cwd: folder });
    assert.equal(await run.exit(), 0, run.stdout);
    assert.equal(lastResult(run).held, 1);
  }
  assert.deepEqual(await leftOn(t, url), { sessions: [], retained: [] });
});
