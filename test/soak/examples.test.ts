import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { command, lwtBroker, Running } from "../support/processes.js";
import { RawClient } from "../support/raw-client.js";
import { root } from "../support/paths.js";

/** As a reader of the example would start it. */
function example(t: TestContext, name: string, broker: string): Running {
  const args = ["--import", "tsx", path.join("examples", name), broker];
  return new Running(t, spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] }));
}

test("slide-code.ts does what the slide's Python does", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-b", url, "-t", "Binil/Machine1/SensorData", "-C", "3"]);
  await sub.event("subscribed");
  const run = example(t, "slide-code.ts", url);
  assert.equal(await run.exit(), 0, run.stderr);
  assert.equal(await sub.exit(), 0);
  await broker.event("client-connected", { clientId: "Machine1", cleanSession: false });
  const will = { clientId: "Machine1", topic: "sensors/lastwill" };
  await broker.event("will-stored", { ...will, qos: 1, retain: true });
  await broker.event("will-discarded", { ...will, cause: "graceful" });
  for (const { topic, payload, qos, retain } of sub.all("message")) {
    assert.deepEqual({ topic, qos, retain }, { topic: "Binil/Machine1/SensorData", qos: 1, retain: false });
    const keys = ["machine_id", "sentDate", "Temperature", "Pressure", "Humidity", "Status"];
    assert.deepEqual(Object.keys(JSON.parse(payload ?? "") as object), keys);
  }
});

test("machine-states.ts: a line whenever a machine's state changes, until Ctrl-C", async t => {
  const { url, port, process: broker } = await lwtBroker(t);
  const machines = await RawClient.connect(t, port, { clientId: "Machines" });
  const says = (machine: string, status: string) =>
    machines.publish(`Binil/${machine}/Status`, `Sensor ${status}`, 1, true);
  await says("Before", "Stopped");
  const dashboard = example(t, "machine-states.ts", url);
  await dashboard.outputHas("watching");
  for (const status of ["Online", "Online", "Offline"]) await says("Machine1", status);
  const escape = String.fromCodePoint(0x1b);
  await says(`${escape}]0;x${String.fromCodePoint(0x9b)}2J${String.fromCodePoint(0x202e)}`, "Online");
  await says("Marker", "Online");
  await dashboard.outputHas(/Marker .*\n/);
  dashboard.child.kill("SIGINT");
  assert.equal(await dashboard.exit(), 0, dashboard.stderr);
  await broker.event("client-disconnected", { clientId: "Dashboard1", cause: "graceful" });
  assert.deepEqual(
    // what is retained may come before the SUBACK
    dashboard.stdout
      .replace(/^watching.*\n/m, "")
      .replaceAll(/ +/g, " ")
      .split("\n"),
    [
      "Before stopped, since earlier",
      "Machine1 online",
      "Machine1 offline",
      String.raw`\u{1b}]0;x\u{9b}2J\u{202e} online`,
      "Marker online",
      "",
    ],
  );
});

test("machine-states.ts ends when whoever reads it has gone", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const dashboard = example(t, "machine-states.ts", url);
  await dashboard.outputHas("watching");
  dashboard.child.stdout?.destroy();
  command(t, "pub-lwt", ["-b", url, "-C", "1"]);
  await broker.event("client-disconnected", { clientId: "Dashboard1", cause: "graceful" });
  assert.equal(await dashboard.exit(), 0);
});

test("machine-states.ts goes on when the broker has been started again", async t => {
  const { url, port, process: first } = await lwtBroker(t);
  const dashboard = example(t, "machine-states.ts", url);
  await dashboard.outputHas("watching");
  first.child.kill("SIGKILL");
  await dashboard.outputHas("connection lost");
  const second = command(t, "lwt-broker", ["--port", String(port)]);
  await second.event("subscribed", { clientId: "Dashboard1" });
  const pub = command(t, "pub-lwt", ["-b", url, "-C", "1"]);
  assert.equal(await pub.exit(), 0);
  await dashboard.outputHas(/Machine1 +stopped\n/);
});
