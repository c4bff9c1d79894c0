// examples/cluster/: three RabbitMQ nodes that share sessions. It takes a minute, and three brokers' memory.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { command, Running } from "../processes.js";
import { noRabbitmq } from "../rabbitmq.js";

const root = path.join(import.meta.dirname, "..", "..");
const READINGS = "Binil/Machine1/SensorData";

test("the cluster starts, keeps a session over a node's death, and is gone after an interruption", {
  skip: noRabbitmq,
}, async t => {
  const args = ["--import", "tsx", path.join("examples", "cluster", "start.ts")];
  const child = spawn(process.execPath, args, { cwd: root, stdio: "pipe" });
  // Before it is killed as other processes are: its nodes would go on.
  t.after(async () => child.kill("SIGINT") && (await cluster.exit()));
  const cluster = new Running(t, child);
  await cluster.outputHas("--broker mqtt:");
  const [, brokers = ""] = /--broker (\S+)/.exec(cluster.stdout) ?? [];
  const [, folder = ""] = /nodes in (\S+):/.exec(cluster.stdout) ?? [];
  const pids = [...cluster.stdout.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
  const urls = brokers.split(",");
  assert.deepEqual([urls.length, pids.length], [3, 3]);

  const sub = command(t, "sub-lwt", ["-b", brokers, "-t", READINGS]);
  await sub.event("subscribed");
  assert.equal(sub.all("connected")[0]?.broker, urls[0]);
  process.kill(pids[0] ?? 0, "SIGKILL");
  const moved = await sub.until("a second connection", () => sub.all("connected")[1]);
  // A node that is about to choose a new leader may take no connection: then it is the third one.
  assert.ok(urls.indexOf(moved.broker) > 0, moved.broker);
  assert.equal(moved.sessionPresent, true, "the session is shared");
  await sub.until("a second subscription", () => sub.all("subscribed")[1]);
  const pub = command(t, "pub-lwt", ["-b", brokers, "-C", "3", "--interval", "0"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  await sub.event("message", { seq: 3 });
  assert.ok(!sub.all("warning").some(({ code }) => code === "session-elsewhere"));
  sub.child.send("stop");
  assert.equal(await sub.exit(), 0);

  cluster.child.stdin?.write("\n");
  await cluster.outputHas(/starts again, as process \d+/);
  cluster.child.kill("SIGINT");
  assert.equal(await cluster.exit(), 0, cluster.stderr);
  assert.ok(folder && !existsSync(folder));
  for (const url of urls) {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
  }
});
