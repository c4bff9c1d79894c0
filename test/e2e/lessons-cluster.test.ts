// Lessons on several brokers, --broker a,b,c. Two addresses of one broker act as two brokers that share sessions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, freePort, lwtBroker } from "../support/processes.js";

test("cluster-failover holds on two brokers that share sessions, and leaves nothing there", async t => {
  const { url, port, process: broker } = await lwtBroker(t);
  const brokers = `${url},mqtt://localhost:${port}`;
  const run = command(t, "lwt-demo", ["cluster-failover", "--broker", brokers], { json: false });
  assert.equal(await run.exit(), 0, run.stdout);
  assert.match(run.stdout, /cluster-failover passed: 5 claims held\n/);
  assert.match(run.stdout, /│ +╳ broker fails +│/);
  for (const line of run.stdout.split("\n")) assert.ok(line.length <= 80, line);
  const status = command(t, "lwt-broker", ["status", "--port", String(port)]);
  assert.equal(await status.exit(), 0);
  const { sessions, wills, retained } = (await status.event("broker-status")).totals;
  assert.deepEqual([sessions, wills, retained], [0, 0, 0]);
  // The broker itself has lost only these connections.
  const causes = broker.all("client-disconnected").filter(({ cause }) => cause !== "graceful");
  assert.deepEqual(
    causes.map(({ clientId, cause }) => [clientId.replace(/x.*/, ""), cause]),
    [
      ["Subscriber1", "network-error"],
      ["Machine2", "network-error"],
    ],
  );
});

test("cluster-failover fails at once on brokers that don't share sessions", async t => {
  const brokers = [await lwtBroker(t), await lwtBroker(t)].map(({ url }) => url);
  const run = command(t, "lwt-demo", ["cluster-failover", "--broker", brokers.join(",")]);
  assert.equal(await run.exit(), 1);
  const failed = await run.event("expected", { held: false });
  assert.match(failed.what, /the next broker says "session present"/);
  assert.equal(failed.clause, "[MQTT-3.2.2-2]");
  assert.match(failed.instead ?? "", /connected \(sessionPresent false\)/);
  const failures = run.all("link").map(({ process, state }) => `${process} ${state}`);
  assert.deepEqual(failures, ["Subscriber1 failed"]);
  const { passed, held, failed: count } = await run.event("result");
  assert.deepEqual([passed, held, count], [false, 0, 1]);
});

test("cluster-failover is skipped on one broker, bundled or external", async t => {
  const { url } = await lwtBroker(t);
  for (const args of [[], ["--broker", url]]) {
    const run = command(t, "lwt-demo", ["cluster-failover", ...args]);
    assert.equal(await run.exit(), 1);
    const { skipped, held } = await run.event("result");
    assert.deepEqual([skipped, held], ["needs-broker-list", 0]);
    assert.match((await run.event("warning", { code: "no-other-broker" })).hint, /--broker a,b,c/);
    assert.deepEqual(run.all("process"), []);
  }
});

test("other lessons run on a list with a broker that is down, and a check names the whole list", async t => {
  const { url } = await lwtBroker(t);
  const brokers = `mqtt://127.0.0.1:${await freePort()},${url}`;
  const [cut, slide, check] = [["publisher-outbox"], ["the-slide-code"], ["check"]].map(args =>
    command(t, "lwt-demo", [...args, "--broker", brokers]),
  );
  assert.equal((await check?.event("checking"))?.broker, brokers);
  check?.child.send("stop");
  assert.deepEqual([await cut?.exit(), await slide?.exit(), await check?.exit()], [0, 0, 130]);
});
