import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import clientModule from "mqtt/lib/client";
import storeModule from "mqtt/lib/store";
import {
  expectAcknowledgment,
  filterPackets,
  forgetAcknowledgment,
  forgetAllInFlight,
  isPacketIdInUse,
  sendWithoutStoring,
  setConnectOptions,
  silence,
  storedPackets,
  streamOf,
} from "../../../src/connection/mqtt-internals.js";
import { root } from "../../support/paths.js";

/** The version whose sources mqtt-internals.ts was written for. */
const PINNED = "5.16.0";

const newClient = () => new clientModule.default(() => new PassThrough(), { manualConnect: true });

test("mqtt.js is the version whose internals are used", () => {
  const file = path.join(root, "node_modules", "mqtt", "package.json");
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  assert.equal(version, PINNED, "read mqtt's changes, then src/connection/mqtt-internals.ts");
});

test("mqtt.js has the private members in the shape that is expected", () => {
  const client = newClient();
  assert.equal((client["_sendPacket"] as () => void).length, 4, "packet, done, onStored, noStore");
  assert.deepEqual(client.outgoing, {});
  assert.equal(client.keepaliveManager, null);
});

test("mqtt.js sends all its packets through the filter, on the stream that it opened", t => {
  const client = newClient();
  const sent: string[] = [];
  filterPackets(client, ({ cmd }) => sent.push(cmd ?? "") < 0);
  client.connect();
  t.after(() => client.end(true));
  assert.equal(typeof streamOf(client).cork, "function");
  client.publish("a", "b", { qos: 1 });
  sendWithoutStoring(client, { cmd: "pubrel", messageId: 9 });
  assert.deepEqual(sent, ["publish", "pubrel"]);
  assert.ok(isPacketIdInUse(client, client.getLastMessageId()));
  silence(client);
  sendWithoutStoring(client, { cmd: "pubrel", messageId: 9 });
  assert.deepEqual(sent, ["publish", "pubrel"]);
});

test("mqtt.js waits for acknowledgments by packet identifier, until they are forgotten", () => {
  const client = newClient();
  const errors: (string | undefined)[] = [];
  for (const packetId of [1, 2]) expectAcknowledgment(client, packetId, error => errors.push(error?.message));
  forgetAcknowledgment(client, 1);
  assert.deepEqual([isPacketIdInUse(client, 1), isPacketIdInUse(client, 2)], [false, true]);
  forgetAllInFlight(client);
  assert.equal(isPacketIdInUse(client, 2), false);
  assert.deepEqual(errors, ["Message removed"]);
});

test("mqtt.js reads its options again for each CONNECT", () => {
  const client = newClient();
  setConnectOptions(client, "machine", 1000, { username: "ann", password: null });
  const { clientId, connectTimeout, username, password } = client.options;
  assert.deepEqual([clientId, connectTimeout, username, password], ["machine", 1000, "ann", undefined]);
});

test("mqtt.js' store holds its packets in a map", () => {
  const store = new storeModule.default({ clean: false });
  store.put({ cmd: "pubrel", messageId: 7 }, () => {});
  assert.deepEqual([...storedPackets(store)], [[7, { cmd: "pubrel", messageId: 7 }]]);
});
