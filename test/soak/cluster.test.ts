// examples/cluster/: three RabbitMQ nodes that share sessions. They take a minute to start, so that all tests share them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { Cluster } from "./cluster/cluster.js";
import { failover } from "./cluster/failover.js";
import { outcomeTable } from "./cluster/table.js";
import { command } from "../support/processes.js";
import { noRabbitmq } from "../support/rabbitmq.js";

const READINGS = "Binil/Machine1/SensorData";
/** The smallest numbers that show a failover. */
const LOAD = { publishers: 4, subscribers: 4, interval: 0.2, rounds: 1, readings: 4 };

test("a cluster", { skip: noRabbitmq }, async t => {
  const cluster = await Cluster.start(t);
  const { urls, brokers } = cluster;

  await t.test("cluster-failover holds on it", async t => {
    const run = command(t, "lwt-demo", ["cluster-failover", "--broker", brokers]);
    assert.equal(await run.exit(), 0, run.stdout);
    assert.equal((await run.event("result")).held, 5);
  });

  await t.test("under load, a node's death loses nothing that was acknowledged", async t => {
    const outcome = await failover(t, cluster, LOAD, text => t.diagnostic(text));
    const table = outcomeTable(outcome);
    for (const line of table.split("\n")) t.diagnostic(line);
    const { verdict, clean, control, moves } = outcome;
    assert.deepEqual(
      [verdict.lost, verdict.forgotten, clean.gaps, control],
      [0, 0, 0, { due: 1, came: 1 }],
      table,
    );
    assert.equal(verdict.delivered, verdict.due);
    assert.ok(verdict.acknowledged >= 4 * 16 && moves > 0, table);
    for (const line of table.split("\n")) assert.ok(line.length <= 80, line);
  });

  await t.test("a session goes on at the next node", async t => {
    const sub = command(t, "sub-lwt", ["-b", brokers, "-t", READINGS]);
    await sub.event("subscribed");
    assert.equal(sub.all("connected")[0]?.broker, urls[0]);
    cluster.kill(0);
    const moved = await sub.waitFor("a second connection", () => sub.all("connected")[1]);
    // A node that is about to choose a new leader may take no connection: then it is the third one.
    assert.ok(urls.indexOf(moved.broker) > 0, moved.broker);
    assert.equal(moved.sessionPresent, true, "the session is shared");
    await sub.waitFor("a second subscription", () => sub.all("subscribed")[1]);
    const pub = command(t, "pub-lwt", ["-b", brokers, "-C", "3", "--interval", "0"]);
    assert.equal(await pub.exit(), 0, pub.stderr);
    await sub.event("message", { seq: 3 });
    assert.ok(!sub.all("warning").some(({ code }) => code === "session-elsewhere"));
    sub.child.send("stop");
    assert.equal(await sub.exit(), 0);
  });

  await t.test("after an interruption it is gone, also what was just started again", async () => {
    const { script, folder } = cluster;
    script.child.stdin?.write("\n");
    await script.outputHas(/(starts again, as process \d+[^]*){2}/);
    script.child.kill("SIGINT");
    assert.equal(await script.exit(), 0, script.stderr);
    assert.ok(folder && !existsSync(folder));
    for (const url of urls) {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
      assert.equal(error.code, "ECONNREFUSED");
    }
  });
});
