import assert from "node:assert/strict";
import path from "node:path";
import { type TestContext, test } from "node:test";
import {
  command,
  freePort,
  lwtBroker,
  missing,
  mosquitto,
  type Running,
  temporaryFolder,
} from "../support/processes.js";

const outbox = (t: TestContext) => path.join(temporaryFolder(t), "outbox");

const publisher = (t: TestContext, port: number, folder: string, ...args: string[]): Running =>
  command(t, "pub-lwt", ["-p", String(port), "--outbox", folder, ...args]);

const QUICK = ["--interval", "0", "--no-status"];

async function kill({ child, ended }: Running): Promise<void> {
  child.kill("SIGKILL");
  await ended;
}

const marks = (run: Running, event: "acknowledged") =>
  run
    .all(event)
    .filter(({ seq }) => seq !== null)
    .map(({ run, seq }) => ({ run, seq }));

async function receivedBy(sub: Running) {
  const machine = (await sub.event("summary")).machines[0];
  assert.ok(machine && "received" in machine);
  return machine;
}

interface Broker {
  port: number;
  /** What becomes of it when its publisher is killed. */
  again: () => Promise<void>;
}

async function lasting(t: TestContext): Promise<Broker> {
  const { port } = await mosquitto(t);
  return { port, again: async () => {} };
}

async function mortal(t: TestContext): Promise<Broker> {
  const port = await freePort();
  const args = ["--port", String(port), "--data", temporaryFolder(t)];
  let { process } = await lwtBroker(t, ...args);
  const again = async () => {
    await kill(process);
    ({ process } = await lwtBroker(t, ...args));
  };
  return { port, again };
}

const brokers = [
  { name: "lwt-broker, killed too", skip: false as const, start: mortal },
  { name: "Mosquitto", skip: missing("mosquitto", ["-h"]), start: lasting },
];

const KILLS = 4;
const topic = "Binil/Machine1/SensorData";

for (const { name, skip, start } of brokers)
  for (const { qos, twice } of [
    { qos: "1", twice: "" },
    { qos: "2", twice: " or doubled" },
  ])
    test(`${name}: kill -9 in the midst of QoS ${qos}, again and again: nothing is lost${twice}`, {
      skip,
    }, async t => {
      const { port, again } = await start(t);
      const folder = outbox(t);
      const subscriber = ["-p", String(port), "-q", "2", "-t", topic];
      assert.equal(await command(t, "sub-lwt", [...subscriber, "-E"]).exit(), 0);
      const acknowledged: string[] = [];
      const seen = (run: Running) => {
        for (const { run: id, seq } of marks(run, "acknowledged")) acknowledged.push(`${id} ${seq}`);
      };
      const known = new Set<string | null>();
      for (let i = 0; i < KILLS; i++) {
        const run = publisher(t, port, folder, ...QUICK, "-q", qos, "-C", "400");
        const own = await run.waitFor("a message of its own", () =>
          run.all("acknowledged").find(({ run, seq }) => !known.has(run) && Number(seq) > 17 * i),
        );
        known.add(own.run);
        await Promise.all([kill(run), again()]);
        seen(run);
      }
      const args = ["-p", String(port), "--outbox", folder, "--no-status", "-q", qos, "-l"];
      const last = command(t, "pub-lwt", args, { input: "end\n" });
      assert.equal(await last.exit(), 0);
      seen(last);
      const sub = command(t, "sub-lwt", subscriber);
      await sub.event("message", { payload: "end" });
      sub.child.send("stop");
      assert.equal(await sub.exit(), 0);
      const { missing, duplicate, runs } = await receivedBy(sub);
      assert.deepEqual({ missing, runs }, { missing: 0, runs: KILLS });
      if (qos === "2") assert.equal(duplicate, 0);
      const came = new Set(sub.all("message").map(({ run, seq }) => `${run} ${seq}`));
      assert.deepEqual(
        acknowledged.filter(each => !came.has(each)),
        [],
      );
    });
