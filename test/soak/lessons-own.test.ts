import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { assertKnownDeviationsOnly, lessons, NEEDS_MQTT5, NEEDS_BROKER_LIST } from "../support/checks.js";
import { command, lwtBroker, temporaryFolder } from "../support/processes.js";

test("every lesson holds on a bundled broker", async t => {
  const run = await assertKnownDeviationsOnly(t, [...NEEDS_MQTT5, ...NEEDS_BROKER_LIST], []);
  assert.equal(run.all("check")[0]?.product?.name, "lwt-broker");
});

test("two runs of a lesson share one broker", async t => {
  const { url } = await lwtBroker(t);
  const twice = [1, 2].map(() => command(t, "lwt-demo", ["queued", "--broker", url]));
  assert.deepEqual(await Promise.all(twice.map(run => run.exit())), [0, 0]);
});

async function leftOn(t: TestContext, url: string) {
  const status = command(t, "lwt-broker", ["status", "--port", new URL(url).port]);
  assert.equal(await status.exit(), 0);
  return (await status.event("broker-status")).totals;
}

test("Ctrl-C ends the check with 130, leaves nothing on the broker, and reports the other lessons as interrupted", async t => {
  const { url } = await lwtBroker(t);
  const folder = temporaryFolder(t);
  const run = command(t, "lwt-demo", ["check", "--broker", url], { env: { TMPDIR: folder } });
  await run.event("checked", { outcome: "held" });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  const checked = run.all("checked");
  assert.deepEqual(checked.map(({ lesson }) => lesson).toSorted(), lessons.toSorted());
  const outcomes = new Set(checked.slice(-10).map(({ outcome, skipped }) => `${outcome}: ${skipped}`));
  assert.deepEqual(outcomes, new Set(["skipped: interrupted"]));
  const verdict = await run.event("check");
  assert.deepEqual([verdict.passed, verdict.interrupted], [false, true]);
  assert.equal(verdict.held, checked.filter(({ outcome }) => outcome === "held").length);
  const { sessions, wills, retained } = await leftOn(t, url);
  assert.deepEqual([sessions, wills, retained], [0, 0, 0]);
  assert.deepEqual(readdirSync(folder), []);
});

test("a broker that no longer answers ends the check with an error, and deviates in no lesson", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const run = command(t, "lwt-demo", ["check", "--broker", url]);
  await run.event("checked", { outcome: "held" });
  broker.child.kill("SIGKILL");
  assert.equal(await run.exit(), 1);
  assert.equal((await run.event("error")).code, "no-broker");
  assert.deepEqual(
    run.all("checked").filter(({ outcome }) => outcome === "deviates"),
    [],
  );
  assert.deepEqual(run.all("check"), []);
});
