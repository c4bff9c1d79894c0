import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { type ClientEvent, connect } from "../../src/index.js";
import { command, ends, lwtBroker, missing, mosquitto, temporaryFolder } from "../support/processes.js";
import { type Packet, PacketType } from "../support/packets.js";
import {
  answer,
  CONNECT,
  PINGREQ,
  property,
  readPublish5,
  SUBSCRIBE,
  type Script,
  scriptedBroker,
  taking,
} from "../support/scripted-broker.js";

const OK = answer.connack(0);
const publishes = (packets: Packet[]) =>
  packets.filter(({ type }) => type === PacketType.publish).map(readPublish5);

/** CONNACK's reason codes: what is said, and what to do. */
const refusals: [code: number, says: RegExp, hint: RegExp][] = [
  [0x01, /does not speak MQTT 5 \(return code 1\)/, /Omit --protocol-version 5.*Mosquitto 2/],
  [0x84, /does not speak MQTT 5 \(0x84\)/, /Omit --protocol-version 5/],
  [0x87, /not authorized \(0x87\)/, /LWT_USERNAME/],
  [0x97, /quota is exceeded \(0x97\)/, /--forget/],
  [0x9a, /stores no retained messages \(0x9A\)/, /--will-retain=false/],
  [0x9b, /does not support this QoS \(0x9B\)/, /--will-qos/],
  [0xf0, /a reason code that MQTT 5 does not define \(0xF0\)/, /--debug/],
];

test("CONNACK's refusals: exit 1, what each means and what to do", async t => {
  const brokers = refusals.map(([code]) => scriptedBroker(t, taking(answer.connack(code))));
  const runs = (await Promise.all(brokers)).map(({ args }) => ({
    name: "pub-lwt",
    args: [...args, "--json"],
  }));
  for (const [i, { exit, stderr, events }] of (await ends(t, runs)).entries()) {
    const [code, says, hint] = refusals[i] ?? assert.fail();
    assert.equal(exit, 1);
    const error = events().find(({ event }) => event === "error");
    assert.ok(error?.event === "error" && error.code === "refused");
    assert.match(error.message, says);
    assert.match(error.hint, hint);
    const refused = events().find(({ event }) => event === "refused");
    assert.ok(refused?.event === "refused" && refused.returnCode === code);
    assert.match(stderr, says);
  }
});

test("lwt-broker speaks 3.1.1 only: both clients say so, and what to use", async t => {
  const { url } = await lwtBroker(t);
  for (const name of ["pub-lwt", "sub-lwt"]) {
    const run = command(t, name, ["-b", url, "-V", "mqttv5"]);
    assert.equal(await run.exit(), 1);
    const { message, hint } = await run.event("error", { code: "refused" });
    assert.match(message, /does not speak MQTT 5/);
    assert.match(hint, /Mosquitto 2/);
  }
});

test("a broker that takes MQTT 5 for nothing, and closes: that too is said", async t => {
  const hangUp: Script = (_, socket) => {
    socket.destroy();
    return null;
  };
  const { args } = await scriptedBroker(t, hangUp);
  const run = command(t, "sub-lwt", [...args, "--connect-timeout", "0.3"]);
  assert.equal(await run.exit(), 1);
  const { hint } = await run.event("error", { code: "not-mqtt" });
  assert.match(hint, /it does not speak MQTT 5, omit --protocol-version 5/);
});

test("CONNECT asks for a session expiry and a will delay, and --clean-session and --forget for none", async t => {
  const connects = async (...more: string[]) => {
    const { args, ofType } = await scriptedBroker(t, taking(OK));
    const run = command(t, "pub-lwt", [...args, "-C", "1", "-i", "c", "--will-payload", "w", ...more]);
    assert.equal(await run.exit(), 0, run.stderr);
    const { body } = ofType(CONNECT)[0] as Packet;
    const willAt = 10 + 6 + 3; // after the fixed part, the session's expiry, and the client identifier
    return {
      level: body.readUInt8(6),
      cleanStart: (body.readUInt8(7) & 2) === 2,
      expiry: body.readUInt32BE(12),
      delay: body.readUInt8(7) & 4 ? body.readUInt32BE(willAt + 2) : null,
    };
  };
  const kept = { level: 5, cleanStart: false, expiry: 86_400, delay: 0 };
  assert.deepEqual(await connects(), kept);
  assert.deepEqual(await connects("--session-expiry", "4294967295", "--will-delay", "7"), {
    ...kept,
    expiry: 4_294_967_295,
    delay: 7,
  });
  assert.deepEqual(await connects("--session-expiry", "0"), { ...kept, expiry: 0 });
  assert.deepEqual(await connects("--clean-session"), { ...kept, cleanStart: true, expiry: 0 });
  const { args, ofType } = await scriptedBroker(t, taking(OK));
  assert.equal(await command(t, "sub-lwt", [...args, "--forget"]).exit(), 0);
  const { body } = ofType(CONNECT)[0] as Packet;
  assert.deepEqual([body.readUInt8(7), body.readUInt32BE(12)], [2, 0]);
});

test("what the broker grants is told, and said where it takes less", async t => {
  const limits = [
    property.sessionExpiry(60),
    property.serverKeepAlive(1),
    property.receiveMaximum(7),
    property.maximumQos(1),
    property.retainAvailable(0),
    property.maximumPacketSize(500),
  ];
  const { args, ofType, packets } = await scriptedBroker(t, taking(answer.connack(0, ...limits)));
  const run = command(t, "pub-lwt", [...args, "--retain"]);
  const { keepAlive, granted, protocolVersion } = await run.event("connected");
  assert.deepEqual([keepAlive, protocolVersion], [1, "5"]);
  assert.deepEqual(granted, {
    sessionExpiry: 60,
    receiveMaximum: 7,
    maximumQos: 1,
    retainAvailable: false,
    maximumPacketSize: 500,
    keepAlive: 1,
    assignedClientId: null,
  });
  await packets.waitFor("PINGREQ", () => ofType(PINGREQ)[0]); // 60 s had been asked for
  await run.event("acknowledged", { seq: 1 });
  run.child.send("stop");
  assert.equal(await run.exit(), 0);
  const retained = publishes(ofType(PacketType.publish)).map(({ retain }) => retain);
  assert.ok(retained.length >= 3);
  assert.deepEqual([...new Set(retained)], [false]);
  assert.deepEqual(
    run.all("published").map(({ retain }) => retain),
    retained,
  );
  assert.equal(run.all("warning").filter(({ code }) => code === "not-retained").length, 1);
  const text = command(t, "pub-lwt", [...args, "-C", "1"], { json: false });
  assert.equal(await text.exit(), 0);
  const said = text.stderr.replaceAll(/\s+/g, " ");
  assert.match(said, /session new; the broker stores it for 60 s without a connection/);
  assert.match(
    said,
    /keep alive 1 s, 7 unacknowledged messages at once, QoS 1 at most, no retained messages/,
  );
});

for (const [what, type, args] of [
  ["", PacketType.puback, []],
  [" at QoS 2", PacketType.pubrec, ["-q", "2"]],
  [" with --outbox", PacketType.puback, ["--outbox", "kept"]],
] as const)
  test(`the receive maximum bounds what is under way, after a lost connection too${what}`, async t => {
    const MOST = 3;
    const open = new Set<number>();
    let highest = 0;
    /** How often it has to be full before anything is acknowledged; mqtt.js sends one by one again, an outbox all. */
    let toFill = args.length > 0 && type === PacketType.puback ? 2 : 1;
    const acknowledge = (packetId: number) => {
      if (type === PacketType.puback) open.delete(packetId);
      return answer.acknowledgment(type, packetId);
    };
    const answers = {
      [PacketType.publish]: (one: Packet) => {
        const { packetId } = readPublish5(one);
        open.add(packetId);
        highest = Math.max(highest, open.size);
        return toFill > 0 ? null : acknowledge(packetId);
      },
      [PacketType.pubrel]: (one: Packet) => {
        const packetId = one.body.readUInt16BE(0);
        open.delete(packetId);
        return answer.acknowledgment(PacketType.pubcomp, packetId);
      },
      // A second without a packet: as many as are allowed have come, and no more.
      [PINGREQ]: (_: Packet, socket: Socket) => {
        if (toFill === 0 || open.size < MOST) return answer.pingresp;
        toFill -= 1;
        if (ofType(CONNECT).length > 1)
          return Buffer.concat([answer.pingresp, ...Array.from(open, acknowledge)]);
        open.clear();
        socket.destroy();
        return null;
      },
    };
    const connack = answer.connack(0, property.receiveMaximum(MOST));
    const { args: broker, ofType } = await scriptedBroker(t, taking(connack, answers));
    const run = command(t, "pub-lwt", [
      ...broker,
      "-C",
      "10",
      "--interval",
      "0",
      "--no-status",
      "-k",
      "1",
      ...args,
    ]);
    assert.equal(await run.exit(), 0, run.stderr);
    assert.deepEqual([toFill, ofType(CONNECT).length], [0, 2]);
    assert.equal(highest, MOST);
    const seqs = run.all("published").flatMap(({ seq }) => seq ?? []);
    assert.deepEqual(
      seqs,
      Array.from({ length: 10 }, (_, i) => i + 1),
    );
  });

test("a broker that takes a lower QoS: --qos above it is refused here, a status goes out lower", async t => {
  const none = await scriptedBroker(t, taking(answer.connack(0, property.maximumQos(0))));
  const refused = command(t, "pub-lwt", [...none.args, "-C", "1"]);
  assert.equal(await refused.exit(), 1);
  assert.match((await refused.event("error", { code: "qos-not-supported" })).hint, /--qos 0/);
  const run = command(t, "pub-lwt", [...none.args, "-C", "2", "-q", "0", "--interval", "0"]);
  assert.equal(await run.exit(), 0);
  await run.event("warning", { code: "lower-qos" });
  await run.event("published", { qos: 0, payload: "Sensor Stopped" });
  const sent = publishes(none.ofType(PacketType.publish));
  assert.deepEqual([...new Set(sent.map(({ qos }) => qos))], [0]);
  assert.equal(sent.filter(({ topic }) => topic.endsWith("SensorData")).length, 2);
});

test("a message that is too large for the broker is not sent", async t => {
  const connack = answer.connack(0, property.maximumPacketSize(60));
  const { args, ofType } = await scriptedBroker(t, taking(connack));
  const outbox = ["--outbox", "kept"];
  for (const more of [[], outbox]) {
    const run = command(t, "pub-lwt", [...args, "-C", "2", "--interval", "0", ...more]);
    assert.equal(await run.exit(), 1);
    const { message } = await run.event("warning", { code: "too-large" });
    assert.match(message, /publish on Binil\/Machine1\/SensorData: the packet has 1\d\d bytes.*at most 60/);
    const [summary] = (await run.event("summary")).machines;
    assert.ok(summary && "inOutbox" in summary);
    assert.deepEqual([summary.acknowledged, summary.inOutbox], [0, more === outbox ? 2 : null]);
  }
  const topics = publishes(ofType(PacketType.publish)).map(({ topic }) => topic);
  assert.deepEqual([...new Set(topics)], ["Binil/Machine1/Status"]);
  // To the byte: fixed header 2, topic 2 + 1, identifier 2, properties 1, and so 52 of payload.
  const fits = ["-t", "t", "--no-status", "-m"];
  assert.equal(await command(t, "pub-lwt", [...args, ...fits, "x".repeat(52)]).exit(), 0);
  assert.equal(await command(t, "pub-lwt", [...args, ...fits, "x".repeat(53)]).exit(), 1);
  assert.equal(ofType(PacketType.publish).at(-1)?.body.length, 58);
});

for (const [qos, type] of [
  ["1", PacketType.puback],
  ["2", PacketType.pubrec],
] as const)
  for (const outbox of [[], ["--outbox", "kept"]])
    test(`QoS ${qos}, a refusal in place of the acknowledgment: told, and not sent again ${outbox.join(" ")}`, async t => {
      const refuse: Script = one => {
        const publish = readPublish5(one);
        const ofData = publish.payload.includes('"seq":1}') ? 0x97 : 0x87;
        const code = publish.topic.endsWith("Status") ? 0 : ofData;
        return answer.acknowledgment(publish.qos === 1 ? PacketType.puback : type, publish.packetId, code);
      };
      const { args, ofType } = await scriptedBroker(t, taking(OK, { [PacketType.publish]: refuse }));
      const cwd = temporaryFolder(t);
      const all = [...args, "-q", qos, "-C", "3", "--interval", "0", ...outbox];
      const run = command(t, "pub-lwt", all, { cwd });
      assert.equal(await run.exit(), 1);
      const said = run.all("warning").filter(({ code }) => code === "publish-refused");
      const codes = said.map(({ message }) => /0x\d\d/.exec(message)?.[0]);
      assert.deepEqual(codes, ["0x97", "0x87"]);
      assert.match(said[0]?.message ?? "", /refused the message on Binil\/Machine1\/SensorData/);
      const [summary] = (await run.event("summary")).machines;
      assert.ok(summary && "sent" in summary);
      assert.deepEqual([summary.sent, summary.acknowledged], [3, 0]);
      assert.equal(summary.inOutbox, outbox.length > 0 ? 0 : null);
      assert.equal(
        publishes(ofType(PacketType.publish)).filter(({ topic }) => topic.endsWith("Data")).length,
        3,
      );
      assert.deepEqual(ofType(PacketType.pubrel), []);
    });

test("SUBACK's refusals are explained", async t => {
  const suback: Script = one => answer.suback(one.body.readUInt16BE(0), 0, 0x87);
  const { args } = await scriptedBroker(t, taking(OK, { [SUBSCRIBE]: suback }));
  const run = command(t, "sub-lwt", [...args, "-t", "a", "-t", "b"]);
  assert.equal(await run.exit(), 1);
  const { message, hint } = await run.event("error", { code: "filter-refused" });
  assert.match(message, /the subscription to b: not authorized \(0x87\)/);
  assert.match(hint, /LWT_USERNAME/);
});

test("DISCONNECT tells why, in the broker's own words too, which can't draw on the terminal", async t => {
  const closing = answer.disconnect(0x93, property.reasonString("slow\u001b[2J\u202edown"));
  const close: Script = (_, socket) => {
    socket.end(closing);
    return null;
  };
  const { args } = await scriptedBroker(t, taking(OK, { [PacketType.publish]: close }));
  const limited = [...args, "--reconnect-timeout", "0"];
  const run = command(t, "pub-lwt", limited);
  assert.equal(await run.exit(), 1);
  const { reason, reasonCode, graceful } = await run.event("disconnected");
  assert.deepEqual([reasonCode, graceful], [0x93, false]);
  assert.match(reason, /receive maximum exceeded\) \(0x93\): "slow/);
  assert.match((await run.event("error", { code: "connection-lost" })).message, /0x93/);
  const text = command(t, "pub-lwt", limited, { json: false });
  assert.equal(await text.exit(), 1);
  // oxlint-disable-next-line no-control-regex -- none may come through
  assert.doesNotMatch(text.stderr, /\u001b\[2J|\u202e/);
});

test("two clients fight for an ID: 0x8E is the broker's word, and is given as such", async t => {
  const throwOut: Script = (_, socket) => {
    socket.end(Buffer.concat([OK, answer.disconnect(0x8e)]));
    return null;
  };
  const { args } = await scriptedBroker(t, throwOut);
  const run = command(t, "sub-lwt", args);
  assert.equal(await run.exit(), 1);
  const { message, hint } = await run.event("error", { code: "client-id-in-use" });
  assert.match(message, /The broker reported it three times within 30 seconds.*0x8E.*\[MQTT-3\.1\.4-3\]/);
  assert.doesNotMatch(message, /Probably/);
  assert.match(hint, /--client-id/);
  assert.deepEqual(
    run.all("disconnected").map(({ reasonCode }) => reasonCode),
    [0x8e, 0x8e, 0x8e],
  );
});

test("closed again and again for a reason that the broker gives: that, and no guess", async t => {
  const throwOut: Script = (_, socket) => {
    socket.end(Buffer.concat([OK, answer.disconnect(0x96)]));
    return null;
  };
  const { args } = await scriptedBroker(t, throwOut);
  const run = command(t, "pub-lwt", args);
  assert.equal(await run.exit(), 1);
  const { message, hint } = await run.event("error", { code: "closed-by-broker" });
  assert.match(message, /message rate is too high \(0x96\)/);
  assert.match(hint, /--interval/);
});

test("what CONNACK must not have, or has twice, does no harm; and no topic alias is used", async t => {
  const connack = answer.connack(
    0,
    property.receiveMaximum(0),
    property.serverKeepAlive(1),
    property.serverKeepAlive(2),
    property.topicAliasMaximum(5),
    property.maximumQos(9),
  );
  const { args, ofType } = await scriptedBroker(t, taking(connack));
  const run = command(t, "pub-lwt", [...args, "-C", "3", "--interval", "0"]);
  assert.equal(await run.exit(), 0);
  const { keepAlive, granted } = await run.event("connected");
  assert.deepEqual([keepAlive, granted?.receiveMaximum, granted?.maximumQos], [60, 65_535, 2]);
  const topics = publishes(ofType(PacketType.publish)).map(({ topic }) => topic);
  assert.deepEqual(topics.slice(1, -1), Array(3).fill("Binil/Machine1/SensorData"));
});

test("as a library: an ID that the broker has chosen is used again", async t => {
  let connections = 0;
  const connack: Script = () => {
    connections += 1;
    return answer.connack(0, property.assignedClientId("chosen-17"));
  };
  const hangUp: Script = (_, socket) => {
    if (connections === 1) socket.destroy();
    return null;
  };
  const script = taking(OK, { [CONNECT]: connack, [PacketType.publish]: hangUp });
  const { port, packets, ofType } = await scriptedBroker(t, script);
  const events: ClientEvent[] = [];
  const settings = { broker: `mqtt://127.0.0.1:${port}`, clientId: "", cleanSession: true } as const;
  const connection = await connect({ ...settings, protocolVersion: "5" }, event => void events.push(event));
  await connection.publish({ topic: "t", payload: "p", qos: 0 });
  await packets.waitFor("a second CONNECT", () => ofType(CONNECT)[1]);
  const ids = ofType(CONNECT).map(({ body }) => body.toString("utf8", 18));
  assert.deepEqual(ids, ["", "chosen-17"]);
  const connected = events.find(({ event }) => event === "connected");
  assert.equal(connected?.event === "connected" && connected.clientId, "chosen-17");
  await connection.end();
});

const skip = missing("mosquitto", ["-h"]);
const V5 = ["-V", "5"];

test("Mosquitto: a session with an expiry is kept, one without is not, and --forget ends it", {
  skip,
}, async t => {
  const { url } = await mosquitto(t);
  const at = ["-b", url, ...V5];
  const publish = async (...args: string[]) => {
    const pub = command(t, "pub-lwt", [...at, "--interval", "0", "--no-status", ...args]);
    assert.equal(await pub.exit(), 0);
  };
  const session = async (...args: string[]) => {
    const sub = command(t, "sub-lwt", [...at, ...args]);
    assert.equal(await sub.exit(), 0);
    return { sub, ...(await sub.event("connected")) };
  };
  const first = await session("-E");
  assert.deepEqual([first.sessionPresent, first.granted?.sessionExpiry], [false, 86_400]);
  await publish("-C", "10");
  const held = command(t, "sub-lwt", [...at, "--hold-acks"]);
  await held.event("message", { seq: 10, delivery: "queued" });
  held.child.send("stop");
  assert.equal(await held.exit(), 0);
  const some = await session("-C", "4");
  assert.equal(some.sessionPresent, true);
  const rest = await session("-C", "6");
  const messages = [...some.sub.all("message"), ...rest.sub.all("message")];
  assert.deepEqual(
    messages.map(({ seq, delivery, dup }) => [seq, delivery, dup]),
    Array.from({ length: 10 }, (_, i) => [i + 1, "redelivered", true]),
  );
  await (await session("--forget")).sub.event("forgotten");
  assert.equal((await session("-E")).sessionPresent, false);

  const without = command(t, "sub-lwt", [...at, "-i", "Short", "--session-expiry", "0"]);
  await without.event("subscribed");
  without.child.send("stop");
  assert.equal(await without.exit(), 0);
  await publish("-C", "1", "--retain");
  const again = command(t, "sub-lwt", [...at, "-i", "Short", "--session-expiry", "0", "-C", "1"]);
  assert.equal(await again.exit(), 0);
  assert.equal((await again.event("connected")).sessionPresent, false);
  assert.equal((await again.event("message")).delivery, "retained");
  assert.equal((await session("--retained")).sub.all("message").length, 1);
});

test("Mosquitto: DISCONNECT 0x04 and a delayed will make it come, 0x00 does not", { skip }, async t => {
  const { url, process: broker } = await mosquitto(t);
  const fails = async (cause: string, ...more: string[]) => {
    const args = ["-b", url, ...V5, "--interval", "0", "--after", "1", "-k", "1"];
    const pub = command(t, "pub-lwt", [...args, "--machine", cause, "--fail", cause, ...more]);
    assert.equal(await pub.exit(), 0, pub.stderr);
    const { graceful } = await pub.event("disconnected");
    assert.equal(graceful, cause === "graceful");
    return pub.event("witnessed", { will: cause !== "graceful" });
  };
  const delay = 2;
  const [, , , delayed] = await Promise.all([
    fails("disconnect-with-will"),
    fails("graceful"),
    fails("keep-alive"),
    fails("no-disconnect", "--will-delay", String(delay)),
  ]);
  assert.ok(delayed.milliseconds >= (delay - 1) * 1000, "Mosquitto counts whole seconds");
  await broker.outputHas(/Received DISCONNECT from disconnect-with-will/);
});

test("Mosquitto: an outbox, more readings than it takes at once, and a fleet", { skip }, async t => {
  const { url } = await mosquitto(t);
  const cwd = temporaryFolder(t);
  const pub = async (exit: number, ...args: string[]) => {
    const run = command(t, "pub-lwt", [...V5, "--interval", "0", ...args], { cwd });
    assert.equal(await run.exit(), exit, run.stderr);
    const [summary] = (await run.event("summary")).machines;
    assert.ok(summary && "sent" in summary);
    return summary;
  };
  const kept = ["--outbox", "kept", "-q", "2"];
  const away = await pub(1, "-p", "1", "-C", "100", "--connect-timeout", "0.5", ...kept);
  assert.ok(away.inOutbox === 100, "with the broker away all are kept");
  const sent = await pub(0, "-b", url, "-C", "100", ...kept);
  assert.deepEqual([sent.fromOutbox, sent.acknowledged, sent.inOutbox], [100, 200, 0]);
  assert.equal((await pub(0, "-b", url, "-C", "500")).acknowledged, 500);
  const fleet = await pub(0, "-b", url, "-C", "3", "--machines", "3");
  assert.equal(fleet.acknowledged, 3);
});
