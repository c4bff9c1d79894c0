import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { OutboxMessage } from "../../src/outbox/outbox.js";
import type { SentSummary } from "../../src/events/events.js";
import { batchAt } from "../../src/storage/batch.js";
import { FieldReader } from "../../src/storage/field-codec.js";
import { FILE_HEADER } from "../../src/storage/segments.js";
import { DurableOutbox } from "../../src/outbox/durable-outbox.js";
import { OutboxReplay } from "../../src/outbox/outbox-records.js";
import { command, freePort, lwtBroker, type Running, temporaryFolder } from "../support/processes.js";
import { firstPacket, type Packet, packet, PacketType, readPublish, uint16 } from "../support/packets.js";
import { WaitableList } from "../support/waitable-list.js";
import { tcpServer } from "../support/servers.js";

/** The answer to a packet of a client; null: none. */
type Answer = (packet: Packet) => Buffer | null;

/** A broker that answers what a test wants it to; CONNECT with that session present, in each connection the next. */
class Scripted {
  readonly packets = new WaitableList<Packet>();
  port = 0;

  static async start(t: TestContext, answer: Answer, ...sessionPresent: boolean[]): Promise<Scripted> {
    const broker = new Scripted();
    const present = [...sessionPresent];
    broker.port = await tcpServer(t, socket => {
      let unread: Buffer = Buffer.alloc(0);
      socket.on("data", data => {
        unread = Buffer.concat([unread, data]);
        for (let first = firstPacket(unread); first; first = firstPacket(unread)) {
          unread = unread.subarray(first.length);
          const isConnect = first.packet.type === CONNECT;
          const response = isConnect ? connack(present.shift() ?? true) : answer(first.packet);
          if (response) socket.write(response);
          broker.packets.push(first.packet);
        }
      });
    });
    return broker;
  }

  get publishes() {
    return this.packets.items.filter(({ type }) => type === PacketType.publish).map(readPublish);
  }

  get pubrels(): number[] {
    return this.packets.items.filter(({ type }) => type === PacketType.pubrel).map(packetIdOf);
  }

  waitFor(what: string, has: () => boolean): Promise<true> {
    return this.packets.waitFor(what, () => has() || undefined);
  }
}

const CONNECT = 1;
const connack = (present: boolean) => Buffer.from([0x20, 2, present ? 1 : 0, 0]);
const packetIdOf = ({ body }: Packet) => body.readUInt16BE(0);
const response = (type: number, packetId: number) =>
  packet((type << 4) | (type === PacketType.pubrel ? 2 : 0), uint16(packetId));

const nothing: Answer = () => null;

/** PUBACK, PUBREC, and PUBCOMP if there is to be one. */
const acknowledging =
  (completes = true): Answer =>
  one => {
    if (one.type === PacketType.pubrel && completes) return response(PacketType.pubcomp, packetIdOf(one));
    if (one.type !== PacketType.publish) return null;
    const { qos, packetId } = readPublish(one);
    return response(qos === 1 ? PacketType.puback : PacketType.pubrec, packetId ?? 0);
  };

const outbox = (t: TestContext) => path.join(temporaryFolder(t), "outbox");

const publisher = (t: TestContext, port: number, folder: string, ...args: string[]): Running =>
  command(t, "pub-lwt", ["-p", String(port), "--outbox", folder, ...args]);

const QUICK = ["--interval", "0", "--no-status"];

async function kill({ child, ended }: Running): Promise<void> {
  child.kill("SIGKILL");
  await ended;
}

const summaryOf = (run: Running) => run.all("summary")[0]?.machines[0] as SentSummary | undefined;

const marks = (run: Running, event: "published" | "acknowledged" | "outbox-stored") =>
  run
    .all(event)
    .filter(({ seq }) => seq !== null)
    .map(({ run, seq }) => ({ run, seq }));

/** With five readings on their way that nobody acknowledges. @returns what was published */
async function killedWithFive(t: TestContext, folder: string, ...args: string[]) {
  const broker = await Scripted.start(t, nothing, false);
  const run = publisher(t, broker.port, folder, ...QUICK, "-C", "5", ...args);
  await broker.waitFor("5 PUBLISH", () => broker.publishes.length === 5);
  await run.waitFor("5 published", () => run.all("published").length === 5 || undefined);
  await kill(run);
  return { sent: broker.publishes, published: run.all("published") };
}

test("after kill -9 what was not acknowledged is sent first: the same identifiers, readings and order, with DUP", async t => {
  const folder = outbox(t);
  const before = await killedWithFive(t, folder);
  assert.deepEqual(
    before.sent.map(({ packetId, dup }) => ({ packetId, dup })),
    [1, 2, 3, 4, 5].map(packetId => ({ packetId, dup: false })),
  );
  const broker = await Scripted.start(t, acknowledging());
  const run = publisher(t, broker.port, folder, "--interval", "0", "-C", "2");
  assert.equal(await run.exit(), 0);
  assert.equal((await run.event("outbox-opened")).messages, 5);
  assert.deepEqual(
    broker.publishes.slice(0, 5),
    before.sent.map(each => ({ ...each, dup: true })),
  );
  // Then this run's own: its status and its readings, which have other identifiers.
  const later = broker.publishes.slice(5);
  assert.deepEqual(
    later.map(({ dup }) => dup),
    later.map(() => false),
  );
  assert.ok(later.some(({ payload }) => payload === "Sensor Online"));
  assert.ok(later.slice(0, 3).every(({ packetId }) => Number(packetId) > 5));
  const earlier = before.published.map(({ run, seq }) => ({ run, seq }));
  assert.deepEqual(marks(run, "published").slice(0, 5), earlier);
  assert.deepEqual(marks(run, "acknowledged").slice(0, 5), earlier);
  assert.deepEqual(summaryOf(run), {
    machine: "Machine1",
    sent: 7,
    acknowledged: 7,
    notAcknowledged: 0,
    fromOutbox: 5,
    inOutbox: 0,
  });
});

/** What waits, as the file of a running outbox has it. */
function onDisk(folder: string): OutboxMessage[] {
  const bytes = readFileSync(path.join(folder, "journal-00000001"));
  const replay = new OutboxReplay();
  let found = batchAt(bytes, FILE_HEADER.length);
  for (; found.kind === "batch"; found = batchAt(bytes, found.next))
    replay.read(new FieldReader(bytes, found.start, found.end));
  return [...replay.waiting.values()];
}

test("PUBLISH and PUBREL are sent when they are on disk, not before", async t => {
  const folder = outbox(t);
  const early: string[] = [];
  const broker = await Scripted.start(
    t,
    one => {
      const waiting = onDisk(folder);
      const { packetId } = one.type === PacketType.publish ? readPublish(one) : { packetId: packetIdOf(one) };
      const kept = waiting.find(each => each.packetId === packetId);
      if (!kept || (one.type === PacketType.pubrel && !kept.released)) early.push(`${one.type} ${packetId}`);
      return acknowledging(false)(one);
    },
    false,
  );
  const run = publisher(t, broker.port, folder, "--interval", "0.005", "--no-status", "-q", "2");
  await broker.waitFor("20 PUBREL", () => broker.pubrels.length === 20);
  await kill(run);
  assert.deepEqual(early, []);
});

test("what was acknowledged is gone; what was not when the time was up stays, but for the status", async t => {
  const folder = outbox(t);
  const silent = await Scripted.start(t, nothing, false);
  const run = publisher(t, silent.port, folder, "--interval", "0", "-C", "3", "-W", "3");
  assert.equal(await run.exit(), 27);
  assert.deepEqual(summaryOf(run), {
    machine: "Machine1",
    sent: 3,
    acknowledged: 0,
    notAcknowledged: 3,
    fromOutbox: 0,
    inOutbox: 3,
  });
  const broker = await Scripted.start(t, acknowledging());
  for (const messages of [3, 0]) {
    const next = publisher(t, broker.port, folder, ...QUICK, "-C", "2");
    assert.equal(await next.exit(), 0);
    assert.equal((await next.event("outbox-opened")).messages, messages);
  }
});

test("--fail crash after so many acknowledged readings leaves none of them", async t => {
  const folder = outbox(t);
  const { port } = await lwtBroker(t);
  const fail = [...QUICK, "--fail", "crash", "--after", "3"];
  const crashed = publisher(t, port, folder, ...fail);
  assert.equal(await crashed.exit(), "SIGKILL");
  const next = publisher(t, port, folder, ...QUICK, "-C", "1");
  assert.equal(await next.exit(), 0);
  assert.equal((await next.event("outbox-opened")).messages, 0);
});

test("standard input that is empty: what waits is sent, and nothing else", async t => {
  const folder = outbox(t);
  const before = await killedWithFive(t, folder);
  const broker = await Scripted.start(t, acknowledging());
  const args = ["-p", String(broker.port), "--outbox", folder, "--no-status", "-l"];
  const run = command(t, "pub-lwt", args, { input: "" });
  assert.equal(await run.exit(), 0);
  assert.deepEqual(
    broker.publishes.map(({ payload }) => payload),
    before.sent.map(({ payload }) => payload),
  );
});

test("QoS 2, killed between PUBREC and PUBCOMP: PUBREL goes on where it was, and PUBLISH is not sent again", async t => {
  const folder = outbox(t);
  const first = await Scripted.start(t, acknowledging(false), false);
  const killed = publisher(t, first.port, folder, ...QUICK, "-C", "3", "-q", "2");
  await first.waitFor("3 PUBREL", () => first.pubrels.length === 3);
  await kill(killed);
  const second = await Scripted.start(t, acknowledging());
  const run = command(t, "pub-lwt", ["-p", String(second.port), "--outbox", folder, "--no-status", "-l"], {
    input: "",
  });
  assert.equal(await run.exit(), 0);
  assert.deepEqual([second.publishes, second.pubrels], [[], [1, 2, 3]]);
  assert.deepEqual(marks(run, "acknowledged"), marks(killed, "published"));
  assert.deepEqual(marks(run, "published"), []);
  assert.equal(summaryOf(run)?.inOutbox, 0);
});

test("QoS 2, killed before PUBREC: PUBLISH again with DUP, and at most 20 at once", async t => {
  const folder = outbox(t);
  const first = await Scripted.start(t, nothing, false);
  const killed = publisher(t, first.port, folder, ...QUICK, "-C", "30", "-q", "2");
  await first.waitFor("20 PUBLISH", () => first.publishes.length === 20);
  await kill(killed);
  assert.equal(first.publishes.length, 20);
  const second = await Scripted.start(t, acknowledging());
  const run = publisher(t, second.port, folder, ...QUICK, "-C", "1");
  assert.equal(await run.exit(), 0);
  assert.deepEqual(
    second.publishes.map(({ packetId, dup, qos }) => ({ packetId, dup, qos })),
    Array.from({ length: 31 }, (_, i) => ({ packetId: i + 1, dup: i < 30, qos: i < 30 ? 2 : 1 })),
  );
});

test("a broker that has lost the session gets PUBLISH again in place of PUBREL, though it is killed once more", async t => {
  const folder = outbox(t);
  const first = await Scripted.start(t, acknowledging(false), false);
  const killed = publisher(t, first.port, folder, ...QUICK, "-C", "3", "-q", "2");
  await first.waitFor("3 PUBREL", () => first.pubrels.length === 3);
  await kill(killed);
  const forgetful = await Scripted.start(t, nothing, false);
  const again = publisher(t, forgetful.port, folder, ...QUICK, "-C", "1");
  await forgetful.waitFor("4 PUBLISH", () => forgetful.publishes.length === 4);
  await kill(again);
  const seqs = (all: { payload: string }[]) => all.map(({ payload }) => (JSON.parse(payload) as Seq).seq);
  assert.deepEqual(seqs(forgetful.publishes), [1, 2, 3, 1]);
  const third = await Scripted.start(t, acknowledging(), true);
  const run = publisher(t, third.port, folder, ...QUICK, "-C", "1");
  await third.waitFor("4 PUBLISH", () => third.publishes.length >= 4);
  assert.deepEqual(seqs(third.publishes.slice(0, 3)), [1, 2, 3]);
  await kill(run);
});

interface Seq {
  seq: number;
}

test("a broker that is away: readings are made all the same, kept, and sent when it is there", async t => {
  const folder = outbox(t);
  const port = await freePort();
  const away = publisher(t, port, folder, "--interval", "0.01");
  await away.event("warning", { code: "no-broker" });
  await away.event("reconnecting", { attempt: 2 });
  await away.event("outbox-stored", { seq: 4 });
  away.child.send("stop");
  assert.equal(await away.exit(), 1);
  assert.deepEqual(marks(away, "published"), []);
  const kept = summaryOf(away)?.inOutbox ?? 0;
  // What was being written when it was stopped is kept too.
  const told = away.all("outbox-stored").map(({ seq, qos }) => ({ seq, qos }));
  assert.ok(told.length <= kept);
  assert.deepEqual(
    told,
    told.map((_, i) => ({ seq: i + 1, qos: 1 })),
  );

  const next = publisher(t, port, folder, ...QUICK, "-C", "2");
  await next.event("warning", { code: "no-broker" });
  await lwtBroker(t, "--port", String(port));
  assert.equal(await next.exit(), 0);
  const acknowledged = marks(next, "acknowledged");
  // Those that it had found there were told before.
  assert.ok(marks(next, "outbox-stored").every(({ run }) => run !== acknowledged[0]?.run));
  assert.deepEqual(
    acknowledged.map(({ seq }) => seq),
    [...Array.from({ length: kept }, (_, i) => i + 1), 1, 2],
  );
});

test("a reading that is safe without a connection is shown as kept, in 80 columns", async t => {
  const args = ["-p", String(await freePort()), "--outbox", outbox(t), "--interval", "0.01"];
  const run = command(t, "pub-lwt", args, { json: false });
  await run.outputHas(/^\d\d:\d\d:\d\d {4}2 {2}Temperature [^]*? stored$/m);
  for (const line of run.stdout.split("\n").slice(0, -1)) assert.equal(line.length, 80, line);
});

test("a broker that is killed: readings go on into the outbox, and none is missing at its subscriber", async t => {
  const folder = outbox(t);
  const data = temporaryFolder(t);
  const port = await freePort();
  const args = ["--port", String(port), "--data", data];
  const broker = await lwtBroker(t, ...args);
  assert.equal(await command(t, "sub-lwt", ["-b", broker.url, "--subscribe-only", "-q", "2"]).exit(), 0);
  const run = publisher(t, port, folder, "--interval", "0.01", "-q", "2", "-C", "150");
  await run.event("acknowledged", { seq: 20 });
  await kill(broker.process);
  await run.event("reconnecting", { attempt: 2 });
  const before = marks(run, "published").length;
  await lwtBroker(t, ...args);
  assert.equal(await run.exit(), 0);
  assert.ok(before < 150);
  const sub = command(t, "sub-lwt", [
    "-p",
    String(port),
    "-q",
    "2",
    "-t",
    "Binil/Machine1/SensorData",
    "-C",
    "150",
  ]);
  assert.equal(await sub.exit(), 0);
  assert.deepEqual(
    sub.all("message").flatMap(({ seq }) => seq ?? []),
    Array.from({ length: 150 }, (_, i) => i + 1),
  );
});

test("a second pub-lwt on the folder is told whose it is, and the first one goes on", async t => {
  const folder = outbox(t);
  const broker = await lwtBroker(t);
  const first = publisher(t, broker.port, folder, "--interval", "0.05");
  await first.event("acknowledged", { seq: 1 });
  const second = publisher(t, broker.port, folder, "-C", "1");
  assert.equal(await second.exit(), 1);
  const { message, hint } = await second.event("error", { code: "store-in-use" });
  assert.match(message, new RegExp(`another pub-lwt \\(process ${first.child.pid}\\)`));
  assert.match(hint, /--outbox ANOTHER/);
  const { seq } = first.all("acknowledged").at(-1) ?? {};
  await first.event("acknowledged", { seq: Number(seq) + 2 });
});

test("an outbox is one client's", async t => {
  const folder = outbox(t);
  await killedWithFive(t, folder);
  const broker = await lwtBroker(t);
  const other = publisher(t, broker.port, folder, "-i", "Other", "-C", "1");
  assert.equal(await other.exit(), 1);
  const { message, hint } = await other.event("error", { code: "outbox-of-another" });
  assert.match(message, /client "Machine1", and this one is "Other"/);
  assert.match(hint, /--client-id Machine1/);
  const own = publisher(t, broker.port, folder, ...QUICK, "-C", "1");
  assert.equal(await own.exit(), 0);
  assert.equal(summaryOf(own)?.sent, 6);
});

test("a damaged outbox is refused, and nothing in it is touched; what a write has left is dropped", async t => {
  const folder = outbox(t);
  await killedWithFive(t, folder);
  const broker = await Scripted.start(t, acknowledging());
  const file = path.join(folder, "journal-00000001");
  const bytes = readFileSync(file);
  const damaged = Buffer.from(bytes);
  damaged.writeUInt8(damaged.readUInt8(200) ^ 1, 200);
  writeFileSync(file, damaged);
  const refused = publisher(t, broker.port, folder, "-C", "1");
  assert.equal(await refused.exit(), 1);
  const { message, hint } = await refused.event("error", { code: "store-damaged" });
  assert.match(message, /journal-00000001 is damaged at byte/);
  assert.match(hint, /--outbox ANOTHER/);
  assert.deepEqual(readFileSync(file), damaged);

  writeFileSync(file, bytes);
  truncateSync(file, bytes.length - 3);
  const cut = publisher(t, broker.port, folder, "-C", "1");
  assert.equal(await cut.exit(), 0);
  await cut.event("warning", { code: "store-cut" });
});

test("what is no folder, or the broker's, is no outbox", async t => {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, "file"), "");
  const broker = await lwtBroker(t, "--data", path.join(folder, "data"));
  const file = publisher(t, broker.port, path.join(folder, "file"), "-C", "1");
  assert.equal(await file.exit(), 1);
  assert.match((await file.event("error", { code: "outbox-unusable" })).message, /cannot use/);
  assert.equal(await command(t, "sub-lwt", ["-b", broker.url, "--subscribe-only"]).exit(), 0);
  await kill(broker.process);
  const others = publisher(t, broker.port, path.join(folder, "data"), "-C", "1");
  assert.equal(await others.exit(), 1);
  assert.match((await others.event("error", { code: "store-damaged" })).message, /which no outbox has/);
});

const message = (packetId: number, payload: string): OutboxMessage => ({
  packetId,
  topic: "a",
  payload: Buffer.from(payload),
  qos: 1,
  retain: false,
  dup: false,
  released: false,
});

const keep = (outbox: DurableOutbox, ...args: Parameters<typeof message>) =>
  new Promise<void>((resolve, reject) =>
    outbox.store(message(...args), error => (error ? reject(error) : resolve())),
  );

test("a full outbox: the run ends, says so, and the next start sends all of it", async t => {
  const folder = temporaryFolder(t);
  const { outbox } = await DurableOutbox.open(folder, "Machine1");
  await Promise.all(Array.from({ length: 9_998 }, (_, i) => keep(outbox, i + 1, `${i + 1}`)));
  await outbox.close();
  const run = publisher(t, await freePort(), folder, "--interval", "0.01");
  assert.equal(await run.exit(), 1);
  const { message, hint } = await run.event("error", { code: "outbox-full" });
  assert.match(message, /is full: it holds 10000 messages/);
  assert.match(hint, /same --outbox.*sent first/);
  assert.equal(summaryOf(run)?.inOutbox, 10_000);

  const broker = await lwtBroker(t);
  const next = publisher(t, broker.port, folder, "--interval", "0.001", "-C", "1");
  assert.equal(await next.exit(), 0);
  assert.equal(summaryOf(next)?.sent, 10_001);
});

test("what comes without a pause waits at a window, with the broker away too", async t => {
  const folder = outbox(t);
  const run = publisher(t, await freePort(), folder, ...QUICK);
  await run.event("reconnecting", { attempt: 2 });
  run.child.send("stop");
  assert.equal(await run.exit(), 1);
  assert.equal(summaryOf(run)?.inOutbox, 1000);
});

const MEGABYTE = 1024 * 1024;

test("files grow with what waits, not with what was ever sent", async t => {
  const folder = temporaryFolder(t);
  const size = () =>
    readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0);
  const { outbox } = await DurableOutbox.open(folder, "Machine1");
  const waiting = [7, 3, 5];
  for (const packetId of waiting) await keep(outbox, packetId, `waits as ${packetId}`);
  outbox.release(3, () => {});
  const large = "x".repeat(64 * 1024);
  let largest = 0;
  for (let i = 0; i < 1000; i++) {
    await keep(outbox, 100 + (i % 10), large);
    outbox.acknowledge(100 + (i % 10));
    largest = Math.max(largest, size());
  }
  await outbox.close();
  assert.ok(largest < 3 * MEGABYTE, `${largest} bytes`);
  const again = await DurableOutbox.open(folder, "Machine1");
  t.after(() => again.outbox.close());
  assert.deepEqual(
    Array.from(again.outbox.waiting.values(), ({ packetId, payload, released }) => [
      packetId,
      String(payload),
      released,
    ]),
    waiting.map(packetId => [packetId, `waits as ${packetId}`, packetId === 3]),
  );
});
