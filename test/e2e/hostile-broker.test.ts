import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import * as fc from "fast-check";
import { type WebSocket, WebSocketServer, createWebSocketStream } from "ws";
import { connect } from "../../src/connection/connect.js";
import { PacketFramer, type OversizedPublish } from "../../src/connection/packet-framer.js";
import type { ClientEvent } from "../../src/events/events.js";
import { SequenceTally } from "../../src/domain/sequence-tally.js";
import {
  announced,
  CONNACK,
  drip,
  flood,
  hostileBroker,
  identified,
  type Misbehaviour,
  misbehave,
  PINGRESP,
  packetIdOf,
  publish,
} from "../support/hostile-servers.js";
import { command, type Running, temporaryFolder } from "../support/processes.js";
import { field, packet, uint16 } from "../support/packets.js";
import { WaitableList } from "../support/waitable-list.js";
import { tcpServer } from "../support/servers.js";
import { supportFile } from "../support/paths.js";

const bytes = (...all: number[]) => Buffer.from(all);
const MARKER = publish("marker", "it goes on");
const connacked = (more: Buffer): Misbehaviour => ({
  answers: { connect: () => Buffer.concat([CONNACK, more]) },
});
const instead = (connack: Buffer): Misbehaviour => ({ answers: { connect: () => connack } });
const suback = (answer: (packetId: number) => Buffer): Misbehaviour => ({
  answers: { subscribe: one => answer(packetIdOf(one)) },
});

/** What a broker may not send, and what is then told. */
const FAULTS: Record<string, [Misbehaviour, RegExp]> = {
  "SUBACK before CONNACK": [instead(Buffer.concat([packet(0x90, uint16(1), bytes(1)), CONNACK])), /not MQTT/],
  "PUBLISH before CONNACK": [instead(Buffer.concat([publish("a", "b", 1), CONNACK])), /not MQTT/],
  "a second CONNACK": [connacked(CONNACK), /that MQTT forbids: a second CONNACK/],
  "CONNACK with reserved flags": [
    instead(packet(0x20, bytes(0xfe, 0))),
    /that MQTT forbids: Invalid connack flags/,
  ],
  "CONNACK that is empty": [instead(packet(0x20)), /that MQTT forbids: a CONNACK of 0 bytes/],
  "CONNACK of MQTT 5": [instead(packet(0x20, bytes(0, 0, 0))), /that MQTT forbids: a CONNACK of 3 bytes/],
  "QoS 3": [connacked(bytes(0x36, 5, 0, 1, 0x61, 0, 1)), /QoS 3 \[MQTT-3\.3\.1-4\]/],
  "packet identifier 0": [connacked(publish("a", "b", 1, 0)), /identifier 0 \[MQTT-2\.3\.1-1\]/],
  "a topic that is not UTF-8": [connacked(publish(bytes(0xc3, 0x28), "b")), /UTF-8 \[MQTT-1\.5\.3-1\]/],
  "a topic with a surrogate": [connacked(publish(bytes(0xed, 0xa0, 0x80), "b")), /UTF-8 \[MQTT-1\.5\.3-1\]/],
  "a topic with U+0000": [connacked(publish("a\0b", "c")), /U\+0000 \[MQTT-1\.5\.3-2\]/],
  "a topic with #": [connacked(publish("a/#", "c")), /wildcards \[MQTT-3\.3\.2-2\]/],
  "a topic with +": [connacked(publish("+/a", "c")), /wildcards \[MQTT-3\.3\.2-2\]/],
  "an empty topic": [connacked(publish("", "c")), /empty topic \[MQTT-4\.7\.3-1\]/],
  "a topic beyond its packet": [connacked(bytes(0x30, 4, 0xff, 0xff, 1, 2)), /in the middle of its topic/],
  "packet type 0": [connacked(bytes(0, 0)), /packet of type 0/],
  "packet type 15": [connacked(bytes(0xf0, 0)), /packet of type 15/],
  "a client's packet": [connacked(packet(0x10, field("MQTT"))), /packet of type 1,/],
  "a length without end": [
    connacked(bytes(0x30, 0xff, 0xff, 0xff, 0xff)),
    /remaining length of over 4 bytes/,
  ],
  "a PUBACK of 200 MB": [connacked(bytes(0x40, 0x80, 0x84, 0xaf, 0x5f)), /a PUBACK of 200/],
  "a SUBACK of 200 MB": [connacked(bytes(0x90, 0x80, 0x84, 0xaf, 0x5f)), /a SUBACK of 200/],
  "SUBACK with a code too few": [suback(id => packet(0x90, uint16(id), bytes(1))), /1 codes for 2 filters/],
  "SUBACK with a code that there isn't": [
    suback(id => packet(0x90, uint16(id), bytes(1, 7))),
    /Invalid suback QoS/,
  ],
  "QoS 2 without end and without PUBREL": [
    {
      begun: socket => {
        let id = 0;
        flood(socket, () => publish("a", Buffer.alloc(4_000_000), 2, (id += 1)));
      },
    },
    /more than 33554432 bytes of QoS 2 messages without PUBREL/,
  ],
  "PUBACK for a SUBSCRIBE": [suback(id => identified(0x40, id)), /puback does not answer the subscribe/],
};

/** What is strange, and changes nothing: what comes after it is taken as ever. */
const HARMLESS: Record<string, Misbehaviour> = {
  "PUBACK of nothing": after(identified(0x40, 99)),
  "PUBREC of nothing": after(identified(0x50, 99)),
  "PUBREL of nothing": after(identified(0x62, 99)),
  "PUBCOMP of nothing": after(identified(0x70, 99)),
  "SUBACK of nothing": after(packet(0x90, uint16(99), bytes(1))),
  "UNSUBACK of nothing": after(identified(0xb0, 99)),
  "an answer to no ping": after(PINGRESP),
  "a topic of 64 KiB": after(publish("漢".repeat(21_845), "x", 1)),
  "a topic of 30 000 levels": after(publish("/".repeat(30_000), "x", 1)),
  "a payload that is no text": after(publish("a", bytes(0xff, 0, 0x1b), 1)),
  "a payload of brackets": after(publish("a", `{"a":${"[".repeat(1e6)}`)),
  "CONNACK together with all that follows": connacked(MARKER),
  "one byte at a time": {
    begun: socket => drip(socket, Buffer.concat([publish("a", "x".repeat(5000), 2), MARKER])),
  },
};

function after(strange: Buffer): Misbehaviour {
  return { begun: socket => void socket.write(Buffer.concat([strange, MARKER])) };
}

/** What a client in this process is told that meets that broker, and subscribes. */
function meeting(t: TestContext, url: string): WaitableList<ClientEvent> {
  const seen = new WaitableList<ClientEvent>();
  const abort = new AbortController();
  t.after(() => abort.abort());
  const settings = { broker: url, clientId: "c", keepAlive: 0, connectTimeout: 20 };
  const subscribed = connect(settings, event => seen.push(event), { signal: abort.signal }).then(
    connection => {
      t.after(() => connection.destroy());
      return connection.subscribe(["#", "$SYS/#"], 2);
    },
  );
  subscribed.catch(() => {}); // what is told is looked at
  return seen;
}

const reasonOf = (event: ClientEvent) =>
  event.event === "disconnected" || event.event === "reconnecting" ? event.reason : undefined;
const firstReason = (seen: WaitableList<ClientEvent>) =>
  seen.waitFor("end of the connection", all => all.map(reasonOf).find(reason => reason !== undefined));
const marker = (seen: WaitableList<ClientEvent>) =>
  seen.waitFor("the marker", all => all.find(event => event.event === "message" && event.topic === "marker"));

test("what a broker may not send ends the connection, and what it was is told", async t => {
  await Promise.all(
    Object.entries(FAULTS).map(async ([what, [misbehaviour, told]]) => {
      const port = await hostileBroker(t, misbehaviour);
      const seen = meeting(t, `mqtt://127.0.0.1:${port}`);
      assert.match(await firstReason(seen), told, what);
    }),
  );
});

test("what is only strange is passed over, on the same connection", async t => {
  await Promise.all(
    Object.entries(HARMLESS).map(async ([what, misbehaviour]) => {
      const port = await hostileBroker(t, misbehaviour);
      const seen = meeting(t, `mqtt://127.0.0.1:${port}`);
      await marker(seen);
      assert.deepEqual(seen.items.map(reasonOf).filter(Boolean), [], what);
    }),
  );
});

/** MQTT over WebSocket by a broker that does with the WebSocket what the test says, when SUBACK is out. */
async function hostileWebSocket(t: TestContext, then: (socket: WebSocket, below: Duplex) => void) {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: true });
  sockets.on("connection", (socket, request) => {
    socket.on("error", () => {});
    misbehave({ begun: () => then(socket, request.socket) })(createWebSocketStream(socket));
  });
  const port = await tcpServer(t, socket => server.emit("connection", socket));
  return `ws://127.0.0.1:${port}`;
}

const WEBSOCKETS: Record<string, [(socket: WebSocket, below: Duplex) => void, RegExp]> = {
  "a message of text": [socket => socket.send("text"), /WebSocket message of text \[MQTT-6\.0\.0-1\]/],
  "a frame of 200 MB": [
    (_, below) => below.write(bytes(0x82, 127, 0, 0, 0, 0, 0x0b, 0xeb, 0xc2, 0)),
    /larger than four times --max-packet/,
  ],
  "a compressed frame": [(_, below) => below.write(bytes(0xc2, 1, 0)), /WebSocket frame in which RSV1/],
  "a frame that is masked": [
    (_, below) => below.write(bytes(0x82, 0x81, 1, 2, 3, 4, 5)),
    /frame in which MASK/,
  ],
  "QoS 3": [socket => socket.send(bytes(0x36, 5, 0, 1, 0x61, 0, 1)), /QoS 3/],
};

test("the same of a WebSocket: text, frames of 200 MB, and compressed ones are not taken", async t => {
  await Promise.all(
    Object.entries(WEBSOCKETS).map(async ([what, [then, told]]) => {
      const seen = meeting(t, await hostileWebSocket(t, then));
      assert.match(await firstReason(seen), told, what);
    }),
  );
});

/** What passes and what is left out of these bytes, in pieces that end there. */
function incoming(all: Buffer, ends: number[], limit: number) {
  const passed: Buffer[] = [];
  const left: OversizedPublish[] = [];
  const inspected = new PacketFramer(
    { limit, isMqtt5: false },
    packets => passed.push(Buffer.from(packets)),
    one => left.push(one),
  );
  let fault = "";
  let start = 0;
  try {
    for (const end of [...new Set(ends.map(one => one % all.length))]
      .toSorted((a, b) => a - b)
      .concat(all.length)) {
      inspected.take(all.subarray(start, end));
      start = end;
    }
  } catch (error) {
    fault = (error as Error).message;
  }
  return { passed: Buffer.concat(passed).toString("hex"), left, fault };
}

test("however the bytes are cut, the same packets pass, and the same are left out", () => {
  const one = fc.oneof(
    fc.constant(PINGRESP),
    fc.constant(identified(0x40, 3)),
    fc.constant(bytes(0x36, 5, 0, 1, 0x61, 0, 1)),
    fc
      .tuple(
        fc.string({ minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 400 }),
        fc.integer({ min: 0, max: 2 }),
      )
      .map(([topic, length, qos]) => publish(`t${topic}`, Buffer.alloc(length, 0x61), qos)),
  );
  fc.assert(
    fc.property(fc.array(one, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (packets, ends) => {
      const all = Buffer.concat([CONNACK, ...packets]);
      assert.deepEqual(incoming(all, ends, 200), incoming(all, [], 200));
      const everyByte = Array.from({ length: all.length }, (_, i) => i);
      assert.deepEqual(incoming(all, everyByte, 200), incoming(all, [], 200));
    }),
    { numRuns: 200 },
  );
});

test("a message that is too large is left out: acknowledged, told, and the next one is taken", () => {
  const large = publish("t/1", Buffer.alloc(300), 1, 9);
  const { passed, left, fault } = incoming(Buffer.concat([CONNACK, large, MARKER]), [], 200);
  assert.deepEqual(
    { passed, fault },
    { passed: Buffer.concat([CONNACK, MARKER]).toString("hex"), fault: "" },
  );
  assert.deepEqual(left, [{ topic: "t/1", qos: 1, packetId: 9, bytes: large.length }]);
});

test("strangers' machines, runs and numbers are counted in bounded memory", () => {
  const tally = new SequenceTally();
  const message = { delivery: "live", run: "0123abcd", seq: 1 } as const;
  for (let i = 0; i < 50_000; i++) tally.count({ ...message, machine: `M${i}` });
  assert.equal(tally.summary().length, 20_000);
  assert.equal(tally.untrackedMessages, 30_000, "none is lost from the count");

  const gaps = new SequenceTally();
  for (let seq = 1; seq < 40_000; seq += 2) gaps.count({ ...message, machine: "M", seq });
  for (let seq = 2; seq < 40_000; seq += 2) gaps.count({ ...message, machine: "M", seq });
  const [one] = gaps.summary();
  assert.equal(one?.outOfOrder, 1000, "no more gaps than that are looked through");

  const many = new SequenceTally();
  const count = (machine: number, seq: number) => many.count({ ...message, machine: `M${machine}`, seq });
  for (let machine = 0; machine < 200; machine++) for (let seq = 1; seq < 2000; seq += 2) count(machine, seq);
  for (let machine = 0; machine < 200; machine++) count(machine, 1998);
  const late = many.summary().filter(({ outOfOrder }) => outOfOrder === 1);
  assert.ok(late.length > 0 && late.length < 150, `of all together 100 000 are kept: ${late.length}`);
});

test("mqtt.js gets a few hundred packets at once, however many have come", () => {
  const lengths: number[] = [];
  const settings = { limit: 1000, isMqtt5: false };
  const inspected = new PacketFramer(
    settings,
    packets => lengths.push(packets.length),
    () => {},
  );
  inspected.take(Buffer.concat([CONNACK, Buffer.alloc(64_000, PINGRESP)]));
  assert.equal(
    lengths.reduce((sum, length) => sum + length, 0),
    CONNACK.length + 64_000,
  );
  assert.ok(Math.max(...lengths) < 1000, `${Math.max(...lengths)}`);
});

/** A command that is measured until it ends. */
function measured(t: TestContext, name: string, port: number, args: string[]) {
  const file = path.join(temporaryFolder(t), "measured");
  const node = ["--require", supportFile("measure.cjs")];
  const run = command(t, name, ["-p", String(port), ...args], { node, env: { MEASURE: file } });
  const used = () => JSON.parse(readFileSync(file, "utf8")) as { megabytes: number; seconds: number };
  return { run, used };
}

interface Case {
  what: string;
  run: ["pub-lwt" | "sub-lwt", ...string[]];
  broker: Misbehaviour;
  exit: number;
  /** Of its last error, or of a warning where it ends well. */
  code?: string;
  says?: RegExp;
  /** At the broker, at most. */
  connections?: number;
  /** Of memory, at most; 65 are Node's and ours. */
  megabytes?: number;
}

const never = { answers: { subscribe: () => null, publish: () => null } } satisfies Misbehaviour;
const shortly = ["--connect-timeout", "1"];
const QUICK = ["--interval", "0.01", "--no-status"];
const OFFLINE = publish("Binil/Machine1/Status", "Sensor Offline");
const QOS_3 = bytes(0x36, 5, 0, 1, 0x61, 0, 1);
const TOLD_THREE_TIMES =
  /three times within 30 seconds.* sent a packet that MQTT forbids: a PUBLISH with QoS 3/s;
const once = (packets: Buffer): Misbehaviour => ({ begun: socket => void socket.write(packets) });

/** Times until the connection has taken them all. */
function write(socket: Duplex, times: number, piece: Buffer, done: () => void): void {
  let left = times;
  const more = () => {
    let hasRoom = true;
    for (; hasRoom && left > 0; left -= 1) hasRoom = socket.write(piece);
    if (left === 0) done();
    else socket.once("drain", more);
  };
  more();
}
const HEAD = announced(200_000_000, "Binil/x/SensorData", 1);
const PIECE = Buffer.alloc(1_000_000);
const LAST_PIECE = PIECE.subarray(field("Binil/x/SensorData").length + 2);

const CASES: Case[] = [
  {
    what: "a broken PUBLISH in every connection",
    run: ["sub-lwt"],
    broker: once(QOS_3),
    exit: 1,
    code: "protocol-error",
    says: TOLD_THREE_TIMES,
    connections: 3,
  },
  {
    what: "the same to a publisher",
    run: ["pub-lwt", ...QUICK],
    broker: once(QOS_3),
    exit: 1,
    code: "protocol-error",
    says: TOLD_THREE_TIMES,
    connections: 3,
  },
  {
    what: "the same to a fleet",
    run: ["pub-lwt", ...QUICK, "--machines", "3"],
    broker: once(QOS_3),
    exit: 1,
    code: "protocol-error",
    says: TOLD_THREE_TIMES,
    connections: 9,
  },
  {
    what: "the same to a witness",
    run: ["pub-lwt", "--fail", "graceful", "--after", "1", ...QUICK],
    broker: { answers: { subscribe: () => QOS_3 } },
    exit: 1,
    code: "not-acknowledged",
    connections: 1,
  },
  {
    what: "the end in the middle of a packet, in every connection",
    run: ["sub-lwt"],
    broker: { begun: socket => void socket.end(bytes(0x30, 50, 0, 1)) },
    exit: 1,
    code: "client-id-in-use",
    connections: 3,
  },
  {
    what: "the end of every connection at once",
    run: ["sub-lwt", "--connect-timeout", "3"],
    broker: { opened: socket => void socket.destroy() },
    exit: 1,
    code: "not-mqtt",
    says: /closed it without CONNACK/,
    connections: 6, // they are 0.25 s apart, 0.5, 1, 2
  },
  ...(["--until=offline", "--retained", "--subscribe-only"] as const).map(
    (how): Case => ({
      what: `no SUBACK, with ${how}`,
      run: ["sub-lwt", how, ...shortly],
      broker: never,
      exit: 1,
      code: "no-suback",
      says: /accepted the connection, but did not answer SUBSCRIBE within 1 s/,
    }),
  ),
  {
    what: "no SUBACK for the witness",
    run: ["pub-lwt", "--fail", "network", "--after", "1", ...shortly],
    broker: never,
    exit: 1,
    code: "no-suback",
  },
  {
    what: "no PUBACK for what is to be forgotten",
    run: ["pub-lwt", "--forget", ...shortly],
    broker: never,
    exit: 1,
    code: "not-acknowledged",
    says: /not acknowledge within 1 s/,
  },
  {
    what: "no answer to a ping",
    run: ["sub-lwt", "-k", "1", "--reconnect-timeout", "0"],
    broker: { answers: { pingreq: () => null } },
    exit: 1,
    code: "connection-lost",
    says: /did not answer a ping/,
  },
  {
    what: "a message of 200 MB",
    run: ["sub-lwt", "--until", "offline"],
    broker: {
      begun: socket => {
        socket.write(HEAD);
        write(socket, 199, PIECE, () => socket.write(Buffer.concat([LAST_PIECE, OFFLINE])));
      },
    },
    exit: 0,
    code: "message-too-large",
    says: /a message of 2000000\d\d bytes on Binil\/x\/SensorData is too large/,
    connections: 1,
    megabytes: 200,
  },
  {
    what: "the same message again and again, as fast as it goes",
    run: ["sub-lwt", "-C", "5000"],
    broker: { begun: socket => flood(socket, () => packet(0x3a, field("Binil/x/SensorData"), uint16(5))) },
    exit: 0,
    connections: 1,
    megabytes: 200,
  },
  {
    what: "20 000 answers to no ping",
    run: ["sub-lwt", "--until", "offline"],
    broker: once(Buffer.concat([Buffer.alloc(40_000, PINGRESP), OFFLINE])),
    exit: 0,
    connections: 1,
    megabytes: 200,
  },
];

function check(
  { code, says, megabytes = 200 }: Case,
  run: Running,
  used: { megabytes: number; seconds: number },
) {
  const troubles = [...run.all("warning"), ...run.all("error")];
  const trouble = troubles.find(each => each.code === code);
  assert.equal(trouble?.code, code, run.stdout.slice(-2000));
  if (says) assert.match(trouble?.message ?? "", says);
  assert.doesNotMatch(run.stderr, /^ {4}at /m, "a stack trace");
  assert.ok(used.megabytes < megabytes, `${used.megabytes} MB`);
  assert.ok(used.seconds < 10, `${used.seconds} s of CPU`);
}

for (const one of CASES)
  test(`${one.run[0]} meets ${one.what}`, async t => {
    let connections = 0;
    const serve = misbehave(one.broker);
    const port = await tcpServer(t, socket => {
      connections += 1;
      serve(socket);
    });
    const [name, ...args] = one.run;
    const { run, used } = measured(t, name, port, args);
    assert.equal(await run.exit(), one.exit, run.stderr);
    check(one, run, used());
    assert.ok(connections <= (one.connections ?? 20), `${connections} connections`);
  });
