import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { command, lwtBroker, temporaryFolder, type TestBroker } from "../support/processes.js";
import { DISCONNECT, field, packet, PacketType, type Publish, uint16 } from "../support/packets.js";
import { type ConnectOptions, RawClient } from "../support/raw-client.js";

/** A broker that can be killed at any moment, and started again on the same folder. */
class MortalBroker {
  readonly folder: string;
  readonly #t: TestContext;
  readonly #args: string[];
  #running!: TestBroker;

  private constructor(t: TestContext, args: string[]) {
    this.#t = t;
    this.#args = args;
    this.folder = temporaryFolder(t);
  }

  static async start(t: TestContext, ...args: string[]): Promise<MortalBroker> {
    const broker = new MortalBroker(t, args);
    await broker.again();
    return broker;
  }

  async again(...more: string[]): Promise<void> {
    this.#running = await lwtBroker(this.#t, "--data", this.folder, ...this.#args, ...more);
  }

  /** What nobody waits for, such as acknowledgments of subscribers, is on disk too: it goes there in order. */
  async recorded(): Promise<void> {
    const client = await this.connect("recorded");
    await client.publish("recorded", "recorded", 1, true);
    await client.publish("recorded", "", 1, true);
  }

  /** SIGKILL, and a new one on its folder. */
  async killed(): Promise<void> {
    await this.kill();
    await this.again();
  }

  async kill(): Promise<void> {
    this.#running.process.child.kill("SIGKILL");
    await this.#running.process.ended;
  }

  async stopped(): Promise<void> {
    this.#running.process.child.send("stop");
    assert.equal(await this.#running.process.exit(), 0);
  }

  get process() {
    return this.#running.process;
  }

  connect(clientId: string, options: Omit<ConnectOptions, "clientId"> = {}): Promise<RawClient> {
    return RawClient.connect(this.#t, this.#running.port, { clientId, ...options });
  }

  /** With clean session 0. @param present what CONNACK has to say of the session */
  async resume(clientId: string, present: boolean, options: Omit<ConnectOptions, "clientId"> = {}) {
    const client = await this.connect(clientId, { clean: false, ...options });
    assert.equal((await client.connack()).sessionPresent, present, `session present of ${clientId}`);
    return client;
  }

  /** A stored session with that subscription, and nobody connected. */
  async absent(clientId: string, topicFilter: string, qos: 1 | 2): Promise<void> {
    const client = await this.resume(clientId, false);
    assert.equal(await client.subscribe(topicFilter, qos), qos);
    client.disconnect();
    await client.ended();
  }
}

const payloads = (client: RawClient) => client.publishes.items.map(({ payload }) => payload);

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `message ${i}`);

/** At QoS 1, all at once; acknowledgments come in the same order. */
async function publishAll(
  client: RawClient,
  payloads: string[],
  topic: (i: number) => string,
): Promise<void> {
  for (const [i, payload] of payloads.entries())
    client.socket.write(packet(0x32, field(topic(i)), uint16(i + 1), Buffer.from(payload)));
  await client.packet("the last PUBACK", PacketType.puback, payloads.length);
}

/** All that a session is owed, by a marker that is published last. */
async function drained(broker: MortalBroker, client: RawClient, topic: string): Promise<Publish[]> {
  const publisher = await broker.connect("marker");
  await publisher.publish(topic, "marker", 1);
  await client.payloadsBefore("marker");
  return client.publishes.items.slice(0, -1);
}

test("what was acknowledged is there after kill -9, in order", async t => {
  const broker = await MortalBroker.start(t);
  await broker.absent("subscriber", "a/#", 1);
  const publisher = await broker.connect("publisher");
  await publishAll(publisher, numbered(300), i => `a/${i % 3}`);
  await broker.killed();
  const opened = await broker.process.event("store-opened");
  assert.deepEqual([opened.sessions, opened.messages, opened.retained, opened.wills], [1, 300, 0, 0]);
  const subscriber = await broker.resume("subscriber", true);
  const came = await drained(broker, subscriber, "a/0");
  assert.deepEqual(
    came.map(({ payload, dup, qos, retain }) => ({ payload, dup, qos, retain })),
    numbered(300).map(payload => ({ payload, dup: false, qos: 1, retain: false })),
  );
  await subscriber.ping();
  await broker.recorded();
  await broker.killed();
  assert.equal((await broker.process.event("store-opened")).messages, 0);
});

test("what was sent and not acknowledged keeps its packet identifier, and has DUP then [MQTT-3.3.1-1, 4.4.0-1]", async t => {
  const broker = await MortalBroker.start(t);
  const holding = await broker.resume("subscriber", false, { hold: true });
  await holding.subscribe("a", 2);
  const publisher = await broker.connect("publisher");
  for (const payload of numbered(10)) await publisher.publish("a", payload, payload.endsWith("5") ? 2 : 1);
  await holding.message("message 9");
  const before = holding.publishes.items.map(({ payload, packetId, qos }) => ({ payload, packetId, qos }));
  holding.acknowledge(PacketType.puback, before[0]?.packetId ?? 0);
  await holding.ping();
  await broker.recorded();
  await broker.killed();
  const again = await broker.resume("subscriber", true, { hold: true });
  const fresh = await broker.connect("publisher");
  await fresh.publish("a", "after", 1);
  await again.message("after");
  assert.deepEqual(
    again.publishes.items
      .map(({ payload, packetId, qos, dup }) => ({ payload, packetId, qos, dup }))
      .slice(0, -1),
    before.slice(1).map(each => ({ ...each, dup: true })),
  );
  const after = await again.message("after");
  assert.equal(after.dup, false);
  assert.ok(!before.slice(1).some(({ packetId }) => packetId === after.packetId));
});

test("what was queued and is sent on a new connection has its identifier on disk before it goes out", async t => {
  const broker = await MortalBroker.start(t);
  await broker.absent("subscriber", "a", 1);
  const publisher = await broker.connect("publisher");
  await publishAll(publisher, numbered(1500), () => "a");
  const holding = await broker.resume("subscriber", true, { hold: true });
  await holding.message("message 999"); // the window
  const before = holding.publishes.items.map(({ packetId }) => packetId);
  await broker.killed();
  const again = await broker.resume("subscriber", true);
  const came = await drained(broker, again, "a");
  assert.deepEqual(
    came.map(({ payload }) => payload),
    numbered(1500),
  );
  assert.deepEqual(
    came.slice(0, 1000).map(({ packetId }) => packetId),
    before,
  );
  assert.ok(came.every(({ dup }, i) => dup === i < 1000));
});

test("a QoS 2 message from a publisher is taken once, whenever the broker dies [MQTT-4.3.3-2]", async t => {
  const broker = await MortalBroker.start(t);
  await broker.absent("subscriber", "a", 2);
  const publish = (dup: boolean) => packet(dup ? 0x3c : 0x34, field("a"), uint16(7), Buffer.from("once"));
  const publisher = await broker.resume("publisher", false, { holdPubrel: true });
  publisher.socket.write(publish(false));
  await publisher.packet("PUBREC", PacketType.pubrec, 7);
  await broker.killed();
  const again = await broker.resume("publisher", true, { holdPubrel: true });
  again.socket.write(publish(true));
  await again.packet("PUBREC", PacketType.pubrec, 7);
  again.acknowledge(PacketType.pubrel, 7);
  await again.packet("PUBCOMP", PacketType.pubcomp, 7);
  await broker.killed();
  // Its identifier is free: the next message with it is another one.
  const last = await broker.resume("publisher", true);
  last.socket.write(packet(0x34, field("a"), uint16(7), Buffer.from("another")));
  await last.packet("PUBCOMP", PacketType.pubcomp, 7);
  const subscriber = await broker.resume("subscriber", true);
  const came = await drained(broker, subscriber, "a");
  assert.deepEqual(
    came.map(({ payload }) => payload),
    ["once", "another"],
  );
});

for (const sync of ["disk", "write"])
  test(`--sync ${sync}: what comes in one piece with DISCONNECT is answered before the connection is closed`, async t => {
    const broker = await MortalBroker.start(t, "--sync", sync);
    await broker.absent("subscriber", "a", 2);
    const publisher = await broker.resume("publisher", false, { holdPubrel: true });
    const publish = (flags: number, packetId: number) =>
      packet(flags, field("a"), uint16(packetId), Buffer.from(`message ${packetId}`));
    publisher.socket.end(Buffer.concat([publish(0x32, 1), publish(0x34, 2), DISCONNECT]));
    await publisher.closed;
    const { connack, puback, pubrec } = PacketType;
    assert.deepEqual(
      publisher.packets.items.map(({ type }) => type),
      [connack, puback, pubrec],
    );
    const subscriber = await broker.resume("subscriber", true);
    assert.deepEqual(
      (await drained(broker, subscriber, "a")).map(({ payload }) => payload),
      ["message 1", "message 2"],
    );
  });

test("to a subscriber, a QoS 2 message goes on where it was: PUBREL, and not PUBLISH, after its PUBREC", async t => {
  const broker = await MortalBroker.start(t);
  const subscriber = await broker.resume("subscriber", false, { hold: true });
  await subscriber.subscribe("a", 2);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "received", 2);
  await publisher.publish("a", "not received", 2);
  const [received, other] = [await subscriber.message("received"), await subscriber.message("not received")];
  subscriber.acknowledge(PacketType.pubrec, received.packetId ?? 0);
  await subscriber.packet("PUBREL", PacketType.pubrel, received.packetId ?? 0);
  await broker.killed();
  const again = await broker.resume("subscriber", true, { hold: true });
  await again.packet("PUBREL", PacketType.pubrel, received.packetId ?? 0);
  assert.deepEqual(await again.message("not received"), { ...other, dup: true });
  assert.deepEqual(payloads(again), ["not received"]);
  again.acknowledge(PacketType.pubcomp, received.packetId ?? 0);
  await again.ping();
  await broker.recorded();
  await broker.killed();
  const last = await broker.resume("subscriber", true);
  assert.deepEqual(
    (await drained(broker, last, "a")).map(({ payload }) => payload),
    ["not received"],
  );
  assert.equal(last.packets.items.filter(({ type }) => type === PacketType.pubrel).length, 1);
});

test("retained messages are the last ones that were acknowledged; a cleared one stays cleared", async t => {
  const broker = await MortalBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("kept", "first", 1, true);
  await publisher.publish("kept", "second", 1, true);
  await publisher.publish("cleared", "first", 2, true);
  await publisher.publish("cleared", "", 1, true);
  await publisher.publish("at QoS 0", "zero", 0, true);
  await broker.recorded();
  await broker.killed();
  const subscriber = await broker.connect("subscriber");
  await subscriber.subscribe("#", 2);
  const fresh = await broker.connect("publisher");
  await fresh.publish("marker", "marker", 1);
  const came = await subscriber.payloadsBefore("marker");
  assert.deepEqual(came.toSorted(), ["second", "zero"]);
  assert.equal((await subscriber.message("second")).retain, true);
});

test("the wills of clients that were connected when the broker died are published once [MQTT-3.1.2-8]", async t => {
  const broker = await MortalBroker.start(t);
  await broker.absent("watcher", "will/#", 1);
  const will = (payload: string, retain = false) =>
    ({ topic: `will/${payload}`, payload, qos: 1, retain }) as const;
  await broker.connect("clean", { will: will("of a clean session") });
  await broker.resume("stored", false, { will: will("retained", true) });
  const graceful = await broker.connect("graceful", { will: will("after DISCONNECT") });
  graceful.disconnect();
  const dead = await broker.connect("dead", { will: will("before") });
  dead.socket.resetAndDestroy();
  await broker.process.event("will-discarded", { clientId: "graceful" });
  await broker.process.event("will-published", { clientId: "dead" });
  await broker.recorded();
  await broker.killed();
  for (const clientId of ["clean", "stored"]) {
    const { cause, clause } = await broker.process.event("will-published", { clientId });
    assert.deepEqual([cause, clause], ["broker-stopped", "[MQTT-3.1.2-8]"]);
  }
  const watcher = await broker.resume("watcher", true);
  const came = await drained(broker, watcher, "will/x");
  assert.deepEqual(came.map(({ payload }) => payload).toSorted(), [
    "before",
    "of a clean session",
    "retained",
  ]);
  await broker.killed();
  assert.equal((await broker.process.event("store-opened")).wills, 0);
  assert.deepEqual(broker.process.all("will-published"), []);
});

test("session present tells the truth after kill -9 [MQTT-3.2.2-2]", async t => {
  const broker = await MortalBroker.start(t);
  const bare = await broker.resume("without subscriptions", false);
  bare.disconnect();
  await broker.absent("ended", "a", 1);
  const ending = await broker.connect("ended", { clean: true });
  ending.disconnect();
  await broker.connect("clean", { clean: true });
  await broker.killed();
  await broker.resume("without subscriptions", true);
  await broker.resume("ended", false);
  await broker.resume("clean", false);
});

test("what was unsubscribed stays so, and what was subscribed keeps its QoS", async t => {
  const broker = await MortalBroker.start(t);
  const client = await broker.resume("subscriber", false);
  await client.subscribe("gone", 1);
  await client.subscribe("lowered", 2);
  await client.subscribe("lowered", 1);
  await client.unsubscribe("gone");
  await broker.killed();
  const publisher = await broker.connect("publisher");
  await publisher.publish("gone", "gone", 1);
  await publisher.publish("lowered", "lowered", 2);
  const again = await broker.resume("subscriber", true);
  assert.equal((await again.message("lowered")).qos, 1);
  assert.deepEqual(
    (await drained(broker, again, "lowered")).map(({ payload }) => payload),
    ["lowered"],
  );
});

test("what a new subscription found retained, and was not acknowledged, is sent again", async t => {
  const broker = await MortalBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "retained", 1, true);
  const holding = await broker.resume("subscriber", false, { hold: true });
  await holding.subscribe("a", 1);
  const first = await holding.message("retained");
  await broker.killed();
  const again = await broker.resume("subscriber", true);
  assert.deepEqual(await again.message("retained"), { ...first, dup: true });
});

test("an orderly stop keeps the sessions and says so, and sends the wills then", async t => {
  const broker = await MortalBroker.start(t);
  await broker.absent("watcher", "will", 1);
  await broker.resume("machine", false, { will: { topic: "will", payload: "will", qos: 1, retain: false } });
  await broker.stopped();
  await broker.process.event("session-stored", { clientId: "machine" });
  await broker.again();
  const opened = await broker.process.event("store-opened");
  assert.deepEqual([opened.sessions, opened.messages, opened.wills], [2, 1, 0]);
  const watcher = await broker.resume("watcher", true);
  assert.deepEqual(
    (await drained(broker, watcher, "will")).map(({ payload }) => payload),
    ["will"],
  );
});

test("a folder has one broker: a second one exits 1, and says whose it is", async t => {
  const broker = await MortalBroker.start(t);
  const second = command(t, "lwt-broker", ["--port", "0", "--data", path.join(broker.folder, ".")]);
  assert.equal(await second.exit(), 1);
  const { code, message, hint } = await second.event("error");
  assert.equal(code, "store-in-use");
  assert.match(message, new RegExp(`process ${broker.process.child.pid}`));
  assert.match(hint, /--data/);
  await broker.connect("client");
});

/** The journal's only file. */
const journalOf = ({ folder }: MortalBroker) => path.join(folder, "journal-00000001");

test("a damaged store is refused with the place, and nothing in it is changed", async t => {
  const broker = await MortalBroker.start(t);
  await broker.absent("subscriber", "a", 1);
  const publisher = await broker.connect("publisher");
  for (const payload of numbered(5)) await publisher.publish("a", payload, 1);
  await broker.kill();
  const bytes = readFileSync(journalOf(broker));
  bytes.write("M", bytes.indexOf("message 2"));
  writeFileSync(journalOf(broker), bytes);
  const refused = command(t, "lwt-broker", ["--port", "0", "--data", broker.folder]);
  assert.equal(await refused.exit(), 1);
  const { code, message } = await refused.event("error");
  assert.equal(code, "store-damaged");
  assert.match(message, /journal-00000001 is damaged at byte \d+/);
  assert.deepEqual(readFileSync(journalOf(broker)), bytes);
});

/** Changes what is in the broker's journal. */
function damage(broker: MortalBroker, change: (bytes: Buffer) => Buffer | void): Buffer {
  const bytes = readFileSync(journalOf(broker));
  const before = Buffer.from(bytes);
  writeFileSync(journalOf(broker), change(bytes) ?? bytes);
  return before;
}

const flip = (bytes: Buffer, at: number) => void bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);

/** Ten messages for an absent session, a batch each; the broker is dead then. */
async function withTen(t: TestContext): Promise<MortalBroker> {
  const broker = await MortalBroker.start(t);
  await broker.absent("subscriber", "a", 1);
  const publisher = await broker.connect("publisher");
  for (const payload of numbered(10)) await publisher.publish("a", payload, 1);
  await broker.kill();
  return broker;
}

const damages: [what: string, change: (bytes: Buffer) => Buffer | void, lost: number[]][] = [
  ["a payload", bytes => flip(bytes, bytes.indexOf("message 4")), [4]],
  ["a header", bytes => flip(bytes, bytes.lastIndexOf("LWTb", bytes.indexOf("message 4"))), [4]],
  ["a length", bytes => flip(bytes, bytes.lastIndexOf("LWTb", bytes.indexOf("message 4")) + 6), [4]],
  ["the last payload", bytes => flip(bytes, bytes.indexOf("message 9")), [9]],
  [
    "two payloads",
    bytes => {
      for (const payload of ["message 2", "message 7"]) flip(bytes, bytes.indexOf(payload));
    },
    [2, 7],
  ],
  [
    "a missing batch",
    bytes => {
      const start = (payload: string) => bytes.lastIndexOf("LWTb", bytes.indexOf(payload));
      return Buffer.concat([bytes.subarray(0, start("message 4")), bytes.subarray(start("message 5"))]);
    },
    [4],
  ],
];
for (const [what, change, lost] of damages)
  test(`--salvage keeps all but what is damaged, and names that: ${what}`, async t => {
    const broker = await withTen(t);
    const sound = damage(broker, change);
    const damaged = readFileSync(journalOf(broker));
    const refused = command(t, "lwt-broker", ["--port", "0", "--data", broker.folder]);
    assert.equal(await refused.exit(), 1);
    assert.match((await refused.event("error")).hint, /--salvage/);
    await broker.again("--salvage");
    assert.equal((await broker.process.event("store-opened")).messages, 10 - lost.length);
    assert.match(
      (await broker.process.event("warning", { code: "store-salvaged" })).message,
      /to subscriber\./,
    );
    const leftOut = broker.process.all("warning").filter(({ code }) => code === "store-left-out");
    assert.equal(leftOut.length, lost.length);
    for (const [i, { message }] of leftOut.entries()) {
      const [, from, to] = /journal-00000001, bytes (\d+) to (\d+):/.exec(message) ?? [];
      const at = sound.indexOf(`message ${lost[i]}`);
      if (damaged.length === sound.length) assert.ok(Number(from) < at && at < Number(to), message);
      else assert.match(message, /before byte \d+: batch \d+ is missing/);
    }
    assert.deepEqual(readFileSync(path.join(broker.folder, "damaged-1-journal-00000001")), damaged);
    await broker.killed();
    assert.deepEqual(broker.process.all("warning"), []);
    const subscriber = await broker.resume("subscriber", true);
    assert.deepEqual(
      (await drained(broker, subscriber, "a")).map(({ payload }) => payload),
      numbered(10).filter((_, i) => !lost.includes(i)),
    );
  });

test("--salvage says so where it is a session's own record that is damaged", async t => {
  const broker = await withTen(t);
  damage(broker, bytes => flip(bytes, bytes.indexOf("subscriber")));
  await broker.again("--salvage");
  const { message } = await broker.process.event("warning", { code: "store-salvaged" });
  assert.match(message, /no session with a subscription is left\. Lost: 1 session of unknown clients/);
  await broker.killed();
  await broker.resume("subscriber", false);
});

test("--salvage changes nothing of a folder that is whole, or only torn at its end", async t => {
  const broker = await withTen(t);
  truncateSync(journalOf(broker), statSync(journalOf(broker)).size - 3);
  await broker.again("--salvage");
  assert.equal((await broker.process.event("store-opened")).messages, 9);
  await broker.process.event("warning", { code: "store-cut" });
  assert.deepEqual(
    broker.process.all("warning").map(({ code }) => code),
    ["store-cut"],
  );
  await broker.kill();
  await broker.again("--salvage");
  assert.equal((await broker.process.event("store-opened")).messages, 9);
  assert.deepEqual(broker.process.all("warning"), []);
  assert.deepEqual(
    readdirSync(broker.folder).filter(name => name.startsWith("damaged")),
    [],
  );
});

test("--salvage: what lost records took back is not done twice, and no packet identifier is taken for another's", async t => {
  const broker = await MortalBroker.start(t);
  const holding = await broker.resume("subscriber", false, { hold: true });
  await holding.subscribe("a", 1);
  const publisher = await broker.resume("publisher", false, { holdPubrel: true });
  const qos2 = (payload: string) => packet(0x34, field("a"), uint16(7), Buffer.from(payload));
  publisher.socket.write(qos2("one"));
  await publisher.packet("PUBREC", PacketType.pubrec, 7);
  await holding.message("one");
  publisher.acknowledge(PacketType.pubrel, 7);
  await publisher.packet("PUBCOMP", PacketType.pubcomp, 7);
  await broker.kill();
  // PUBCOMP is out, and what says so is damaged.
  damage(broker, bytes => flip(bytes, bytes.length - 2));
  await broker.again("--salvage");
  const again = await broker.resume("publisher", true);
  again.socket.write(qos2("two"));
  await again.packet("PUBCOMP", PacketType.pubcomp, 7);
  const subscriber = await broker.resume("subscriber", true);
  assert.deepEqual(
    (await drained(broker, subscriber, "a")).map(({ payload }) => payload),
    ["one", "two"],
  );
});

test("a torn end is told and dropped; all before it is there", async t => {
  const broker = await MortalBroker.start(t);
  await broker.absent("subscriber", "a", 1);
  const publisher = await broker.connect("publisher");
  for (const payload of numbered(5)) await publisher.publish("a", payload, 1);
  await broker.kill();
  truncateSync(journalOf(broker), statSync(journalOf(broker)).size - 3);
  await broker.again();
  const { message } = await broker.process.event("warning", { code: "store-cut" });
  assert.match(message, /the last \d+ bytes of .*journal-00000001/);
  assert.equal((await broker.process.event("store-opened")).messages, 4);
  await broker.killed();
  assert.deepEqual(broker.process.all("warning"), []);
  const subscriber = await broker.resume("subscriber", true);
  assert.deepEqual(
    (await drained(broker, subscriber, "a")).map(({ payload }) => payload),
    numbered(4),
  );
});

test("folders that lead to --data are made, and where a system makes none it is said at once", async t => {
  const folder = temporaryFolder(t);
  const { process: broker } = await lwtBroker(t, "--data", path.join(folder, "a", "b"));
  assert.equal((await broker.event("store-opened")).folder, path.join(folder, "a", "b"));
  if (process.platform !== "linux") return;
  const refused = command(t, "lwt-broker", ["--port", "0", "--data", "/proc/none/here"]);
  assert.equal(await refused.exit(), 1);
  assert.equal((await refused.event("error")).code, "store-unusable");
});

test("a folder that can't be used is an error that says what to do", async t => {
  const file = path.join(temporaryFolder(t), "file");
  writeFileSync(file, "");
  const refused = command(t, "lwt-broker", ["--port", "0", "--data", file]);
  assert.equal(await refused.exit(), 1);
  assert.equal((await refused.event("error")).code, "store-unusable");
  assert.deepEqual(readdirSync(path.dirname(file)), ["file"]);
});
