// pub-lwt --machines: many machines in one process, each with its own connection, session and will.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SentSummary } from "../../src/events/events.js";
import { command, freePort, lwtBroker } from "../support/processes.js";

const names = (machines: number) => Array.from({ length: machines }, (_, i) => `Machine${i + 1}`);

test("each machine has its own connection, session, will, status and readings", async t => {
  const broker = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-b", broker.url, "--qos", "1"]);
  await sub.event("subscribed");
  const pub = command(t, "pub-lwt", [
    "-b",
    broker.url,
    "--machines",
    "60",
    "--count",
    "3",
    "--interval",
    "0.1",
  ]);
  assert.equal(await pub.exit(), 0);
  const sent = pub.all("summary")[0]?.machines as SentSummary[];
  assert.deepEqual(sent.map(({ machine }) => machine).toSorted(), names(60).toSorted());
  for (const { acknowledged, notAcknowledged } of sent)
    assert.deepEqual([acknowledged, notAcknowledged], [3, 0]);
  const { connected, acknowledged, failed } = pub.all("fleet").at(-1) ?? {};
  assert.deepEqual({ connected, acknowledged, failed }, { connected: 0, acknowledged: 180, failed: 0 });

  for (const machine of names(60)) {
    await broker.process.event("will-discarded", { clientId: machine });
    const topic = `Binil/${machine}/Status`;
    const [will] = broker.process.all("will-stored").filter(({ clientId }) => clientId === machine);
    assert.equal(will?.topic, topic);
    await sub.event("status", { machine, state: "online" });
    await sub.event("status", { machine, state: "stopped" });
    const readings = sub.all("message").filter(({ topic }) => topic === `Binil/${machine}/SensorData`);
    assert.deepEqual(
      readings.map(({ seq }) => seq),
      [1, 2, 3],
    );
    assert.equal(new Set(readings.map(({ run }) => run)).size, 1);
  }
  const runs = sub.all("message").flatMap(({ run }) => run ?? []);
  assert.equal(new Set(runs).size, 60);
});

test("all vanish at once, and it is seen that each will comes; or with graceful, that none does", async t => {
  const broker = await lwtBroker(t);
  const fail = (cause: string) =>
    command(t, "pub-lwt", ["-b", broker.url, "--machines", "40", "--after", "1", "--fail", cause]);
  const network = fail("network");
  assert.equal(await network.exit(), 0);
  const [seen] = network.all("wills-witnessed");
  assert.deepEqual([seen?.machines, seen?.wills], [40, 40]);
  assert.ok(seen?.p50 && seen.p99 && seen.last && seen.p50 <= seen.p99 && seen.p99 <= seen.last);
  const published = broker.process.all("will-published");
  assert.deepEqual(published.map(({ clientId }) => clientId).toSorted(), names(40).toSorted());

  const graceful = fail("graceful");
  assert.equal(await graceful.exit(), 0);
  const [none] = graceful.all("wills-witnessed");
  assert.deepEqual([none?.wills, none?.last], [0, null]);

  const crash = fail("crash");
  assert.equal(await crash.exit(), process.platform === "win32" ? 1 : "SIGKILL");
  const wills = () => broker.process.all("will-published").length;
  await broker.process.waitFor("the wills of the crashed", () => wills() === 80 || undefined);
});

test("Enter makes all of them fail", async t => {
  const { url } = await lwtBroker(t);
  const args = ["-b", url, "--machines", "5", "--fail", "no-disconnect", "--interval", "0.1"];
  const asked = command(t, "pub-lwt", args, { json: false });
  await asked.outputHas("to fail    press Enter: no-disconnect");
  asked.child.stdin?.write("\n");
  assert.equal(await asked.exit(), 0);
  assert.match(asked.stdout, /5 of 5 wills were published/);
  const pub = command(t, "pub-lwt", args);
  await pub.event("fleet", { connected: 5 });
  pub.child.stdin?.write("\n");
  assert.equal(await pub.exit(), 0);
  await pub.event("wills-witnessed", { machines: 5, wills: 5 });
});

test("the trouble of many is told once, and counted", async t => {
  const broker = await lwtBroker(t);
  const args = ["-b", broker.url, "--machines", "30", "--interval", "0.1", "--reconnect-timeout", "0"];
  const pub = command(t, "pub-lwt", args);
  await pub.event("fleet", { connected: 30 });
  broker.process.child.kill("SIGKILL");
  assert.equal(await pub.exit(), 1);
  const told = pub.all("warning");
  assert.ok(told.length > 0);
  for (const { message, hint } of told) {
    assert.match(message, /^Machine\d+: /);
    assert.ok(hint);
  }
  const sentences = told.map(({ message }) => message.replace(/^Machine\d+/, ""));
  assert.deepEqual(sentences, [...new Set(sentences)]);
  const { failed, unreported = 0 } = pub.all("fleet").at(-1) ?? {};
  assert.deepEqual([failed, unreported + told.length], [30, 30]);
});

test("Ctrl-C stops all gracefully", async t => {
  const broker = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-b", broker.url, "--machines", "50"], { json: false });
  await pub.outputHas(/50 of 50 connected/);
  pub.child.send("stop");
  assert.equal(await pub.exit(), 0);
  assert.match(pub.stderr, /50 machines: \d+ sent, \d+ acknowledged;/);
  for (const machine of names(50))
    await broker.process.event("client-disconnected", { clientId: machine, cause: "graceful" });
  assert.deepEqual(broker.process.all("will-published"), []);
});

test("--forget ends the sessions of all", async t => {
  const broker = await lwtBroker(t);
  const args = ["-b", broker.url, "--machines", "10"];
  assert.equal(await command(t, "pub-lwt", [...args, "--count", "1"]).exit(), 0);
  const pub = command(t, "pub-lwt", [...args, "--forget"]);
  assert.equal(await pub.exit(), 0);
  assert.equal(pub.all("forgotten").length, 10);
  for (const machine of names(10)) await broker.process.event("session-ended", { clientId: machine });
});

test("no broker: said once", async t => {
  const args = ["-p", String(await freePort()), "--machines", "3", "--connect-timeout", "0.3"];
  const pub = command(t, "pub-lwt", args, { json: false });
  assert.equal(await pub.exit(), 1);
  assert.equal(pub.stderr.match(/no broker answers/g)?.length, 1, pub.stderr);
  assert.match(pub.stderr, /npx lwt-broker/);
});

test("a range names its machines, and is spread over the brokers; --forget takes the same range", async t => {
  const brokers = [await lwtBroker(t), await lwtBroker(t), await lwtBroker(t)];
  const args = ["-b", brokers.map(({ url }) => url).join(","), "--machines", "5001-5006"];
  const pub = command(t, "pub-lwt", args, { json: false });
  await pub.outputHas(/6 of 6 connected/);
  assert.match(pub.stderr, /^Machine5001 to Machine5006 → mqtt:/m);
  pub.child.send("stop");
  assert.equal(await pub.exit(), 0);
  for (const [i, { process }] of brokers.entries()) {
    // Of three brokers in turn, 5001 gets the third.
    const own = [5001, 5002, 5003, 5004, 5005, 5006].filter(number => (number - 1) % 3 === i);
    const here = process.all("client-connected").map(({ clientId }) => clientId);
    assert.deepEqual(
      here.toSorted(),
      own.map(number => `Machine${number}`),
    );
  }
  const forget = command(t, "pub-lwt", [...args, "--forget"]);
  assert.equal(await forget.exit(), 0);
  assert.equal(forget.all("forgotten").length, 18);

  const one = command(t, "pub-lwt", ["-b", brokers[0]?.url ?? "", "--machines", "7-7", "-C", "1"]);
  assert.equal(await one.exit(), 0);
  assert.equal(one.all("connected")[0]?.clientId, "Machine7");
});

test("several processes share a load over several brokers", async t => {
  const brokers = [await lwtBroker(t), await lwtBroker(t)];
  const list = brokers.map(({ url }) => url).join(",");
  const fleet = (range: string) => command(t, "pub-lwt", ["-b", list, "--machines", range]);
  const fleets = [fleet("1-50"), fleet("51-100")];
  const isWhole = (event: object) => "connected" in event && event.connected === 50;
  await Promise.all(
    fleets.map(each => each.waitFor("all of its own", () => each.all("fleet").find(isWhole))),
  );
  for (const { process } of brokers) {
    const clientIds = () => new Set(process.all("client-connected").map(({ clientId }) => clientId));
    await process.waitFor("half of each", () => (clientIds().size === 50 ? true : undefined));
  }
  for (const each of fleets) each.child.send("stop");
  assert.deepEqual(await Promise.all(fleets.map(each => each.exit())), [0, 0]);
  assert.deepEqual(
    fleets.flatMap(each => each.all("warning")),
    [],
  );
});

test("ranges that overlap: one fleet gives way, and says once what to do; the other goes on", async t => {
  // Each fleet starts a machine at the same broker, so that brokers without a cluster detect two fleets too.
  const list = [await lwtBroker(t), await lwtBroker(t)].map(({ url }) => url).join(",");
  const fleet = (range: string) =>
    command(t, "pub-lwt", ["-b", list, "--machines", range, "--interval", "0.5"]);
  const fleets = { "1-4": fleet("1-4"), "3-6": fleet("3-6") };
  const loser = await Promise.race(
    Object.values(fleets).map(async each => {
      await each.exit();
      return each;
    }),
  );
  const [winner] = Object.values(fleets).filter(each => each !== loser);
  assert.equal(await loser.exit(), 1);
  const errors = loser.all("error");
  assert.equal(errors.length, 1);
  assert.equal(errors[0]?.code, "client-id-in-use");
  assert.match(errors[0].message, /^Machine[34]: .*Probably another client uses the ID "Machine[34]"/);
  assert.match(errors[0].hint, /no other fleet uses: --machines 30001-30004$/);
  const before = winner?.events.length ?? 0;
  await winner?.waitFor("all are back", () =>
    winner.events.slice(before).find(event => event.event === "fleet" && event.connected === 4),
  );
  winner?.child.send("stop");
  assert.equal(await winner?.exit(), 0);
});

test("wills at brokers that the witness does not watch are not told as missing", async t => {
  const brokers = [await lwtBroker(t), await lwtBroker(t)];
  const args = ["-b", brokers.map(({ url }) => url).join(","), "--machines", "4", "--after", "1"];
  const pub = command(t, "pub-lwt", [...args, "--fail", "graceful"]);
  assert.equal(await pub.exit(), 1);
  const { message } = await pub.event("warning", { code: "witness-elsewhere" });
  assert.ok(message.includes(`the witness was connected to ${brokers[0]?.url}`));
  assert.equal(pub.all("wills-witnessed")[0]?.machines, 4);
});
