import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { assertAllGone, CUT, demo, FOREVER, lastResult, READY } from "../support/own-lessons.js";
import { command, lwtBroker, missing, mosquitto, temporaryFolder } from "../support/processes.js";
import { root } from "../support/paths.js";

const NAMED = "  - start: Sub\n    run: sub-lwt -t {ns}/+/SensorData -i Subscriber1{x}\n";
const LEAVES = `${NAMED.trimEnd()}
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

/** What a lesson left behind on that broker. */
async function leftOn(t: TestContext, url: string) {
  const status = command(t, "lwt-broker", ["status", "--port", new URL(url).port]);
  assert.equal(await status.exit(), 0);
  const { sessions, retained } = await status.event("broker-status");
  return { sessions: sessions.map(({ clientId }) => clientId), retained: retained.map(({ topic }) => topic) };
}

test("on another broker: names of its own, nothing expected of the bundled one, and nothing left behind", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const run = demo(t, LEAVES + CLEANUP, { args: ["--broker", url] });
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

test("what a lesson left behind is cleared after a failure and after Ctrl-C too", async t => {
  const { url } = await lwtBroker(t);
  const failing = demo(t, `${LEAVES}  - expect: summary\n    from: Sub\n    within: 0.1\n${CLEANUP}`, {
    args: ["-b", url],
  });
  assert.equal(await failing.exit(), 1);
  assert.deepEqual(await leftOn(t, url), { sessions: [], retained: [] });
  const left = demo(t, LEAVES + FOREVER + CLEANUP, { args: ["-b", url] });
  await left.event("observed", { what: "Sub: subscribed" });
  left.child.send("stop");
  assert.equal(await left.exit(), 130);
  assert.deepEqual(await leftOn(t, url), { sessions: [], retained: [] });
});

test("a clean-up that fails is warned of, with what to type", async t => {
  const { url } = await lwtBroker(t);
  const run = demo(t, `${READY}cleanup: [sub-lwt --forget --qso 1]\n`, { args: ["-b", url] });
  assert.equal(await run.exit(), 0);
  const { message, hint } = await run.event("warning", { code: "not-cleaned-up" });
  assert.match(message, /exit code 2/);
  assert.match(hint, /npx sub-lwt --forget --qso 1/);
});

test("Ctrl-C with a cable cut: it is mended, and what the lesson started ends as usual", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const run = demo(t, READY + CUT + FOREVER + CLEANUP, { args: ["-b", url] });
  await run.event("link", { state: "cut" });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  assertAllGone(run);
  assert.deepEqual(
    broker.all("client-disconnected").filter(({ cause }) => cause !== "graceful"),
    [],
  );
});

test("user name and password reach the clients, and no output", {
  skip: missing("mosquitto", ["-h"]),
}, async t => {
  const { port, process: broker } = await mosquitto(t);
  const ways: [url: string, env: Record<string, string>][] = [
    [`mqtt://Ada:s3cret@127.0.0.1:${port}`, {}],
    [`127.0.0.1:${port}`, { LWT_USERNAME: "Eve", LWT_PASSWORD: "s3cret" }],
  ];
  for (const [url, env] of ways) {
    const run = demo(t, `${NAMED}  - expect: subscribed\n    from: Sub\n`, { args: ["-b", url], env });
    assert.equal(await run.exit(), 0);
    assert.doesNotMatch(run.stdout + run.stderr, /s3cret/);
  }
  for (const user of ["Ada", "Eve"]) await broker.outputHas(new RegExp(`as Subscriber1x[^ ]+ .*u'${user}'`));
});

test("the lesson in docs/lessons.md passes, on a broker of its own and on another", async t => {
  const text = readFileSync(path.join(root, "docs", "lessons.md"), "utf8");
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
