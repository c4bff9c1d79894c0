import assert from "node:assert/strict";
import { type TestContext } from "node:test";
import type { Limits } from "../../src/broker/limits/limits.js";
import type { QoS, Will } from "../../src/events/events.js";
import { ObservedBroker } from "./observed-broker.js";
import { field, type Packet, PacketType, PINGREQ, packet } from "./packets.js";
import { type RawClient } from "./raw-client.js";

export type Case = [what: string, bytes: Buffer];

export const CLEAN = 0x02;

export const WILL = 0x04;

export const PASSWORD = 0x40;

export const USER_NAME = 0x80;

export interface ConnectParts {
  name?: string | Buffer;
  level?: number;
  flags?: number;
  /** The payload. */
  fields?: (string | Buffer)[];
}

/** A CONNECT as its parts say, right or wrong. */
export const connectOf = ({ name = "MQTT", level = 4, flags = CLEAN, fields = ["client"] }: ConnectParts) => {
  const properties = level === 5 ? Buffer.of(0) : Buffer.alloc(0);
  return packet(0x10, field(name), Buffer.of(level, flags, 0, 0), properties, ...fields.map(field));
};

export const publishOf = (topic: string, payload: string | Buffer, qos: QoS = 0, packetId = 1) =>
  packet(0x30 | (qos << 1), field(topic), Buffer.of(...(qos > 0 ? [0, packetId] : [])), Buffer.from(payload));

export const subscribeOf = (filter: string, qos: QoS) =>
  packet(0x82, Buffer.of(0, 9), field(filter), Buffer.of(qos));

export const unsubscribeOf = (filter: string) => packet(0xa2, Buffer.of(0, 8), field(filter));

/** Comes behind a packet that ends the connection, and is not to be done. */
export const BEHIND = Buffer.concat([publishOf("behind", "behind"), PINGREQ]);

export const will = (payload: string, topic = "will"): Will => ({ topic, payload, qos: 1, retain: false });

export const types = ({ packets }: RawClient) => packets.items.map(({ type }: Packet) => type);

/** The payloads that had come to the watcher before a message of another client's that is sent now. */
export async function receivedSoFar(broker: ObservedBroker, watcher: RawClient): Promise<string[]> {
  const publisher = await broker.connect("marker");
  await publisher.publish("marker", "marker", 1);
  return watcher.payloadsBefore("marker");
}

/** Each of these, as the first that a client sends, ends the connection without an answer, and nothing is done. */
export async function endsWithoutAnswer(t: TestContext, cases: Case[]): Promise<void> {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const [what, bytes] of cases) {
    const client = broker.send(Buffer.concat([bytes, BEHIND]));
    await client.ended(what);
    assert.deepEqual(types(client), [], what);
  }
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
  const connected = broker.all("client-connected").map(({ clientId }) => clientId);
  assert.deepEqual(connected, ["watcher", "marker"]);
}

/** Each of these, sent by a connected client, ends the connection: its will is sent, and nothing else is done. */
export async function endsConnection(t: TestContext, cases: Case[]): Promise<void> {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const [i, [what, bytes]] of cases.entries()) {
    const client = await broker.connect(`client${i}`, { will: will(what) });
    client.socket.write(Buffer.concat([bytes, BEHIND]));
    await client.ended(what);
    assert.deepEqual(types(client), [PacketType.connack], what);
    await watcher.message(what);
  }
  const expected = cases.map(([what]) => what);
  assert.deepEqual(await receivedSoFar(broker, watcher), expected);
}

export async function accepts(t: TestContext, cases: Case[], limits: Partial<Limits> = {}): Promise<void> {
  const broker = await ObservedBroker.start(t, { limits });
  for (const [what, bytes] of cases) {
    const client = broker.send(Buffer.concat([bytes, PINGREQ]));
    assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 }, what);
    await client.packet(what, PacketType.pingresp);
    client.disconnect();
    await client.ended(what);
  }
}

/** CONNACK with that return code and session present 0, then the end; what is behind is not done [MQTT-3.1.4-5]. */
export async function refusesWith(t: TestContext, returnCode: number, cases: Case[]): Promise<void> {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const [what, bytes] of cases) {
    const client = broker.send(Buffer.concat([bytes, BEHIND]));
    await client.ended(what);
    const answers = client.packets.items.map(({ type, body }) => [type, ...body]);
    assert.deepEqual(answers, [[PacketType.connack, 0, returnCode]], what);
  }
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
}

export const endings: [how: string, end: (client: RawClient) => unknown][] = [
  ["DISCONNECT", client => client.disconnect()],
  ["a closed connection", client => client.socket.end()],
  ["a reset", client => client.socket.resetAndDestroy()],
  ["a packet that is forbidden", client => client.socket.write(Buffer.of(0, 0))],
];

export const willQos = (qos: number) => qos << 3;

export const both = CLEAN | USER_NAME | PASSWORD;
