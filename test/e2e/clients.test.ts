import assert from "node:assert/strict";
import { test } from "node:test";
import { command, lwtBroker } from "../support/processes.js";
import { keepsPromisesOn, MOSQUITTO, OWN } from "../support/client-promises.js";
import { field, packet, PacketType, uint16 } from "../support/packets.js";
import { RawClient } from "../support/raw-client.js";

keepsPromisesOn(OWN);
// The others are in peers/.
keepsPromisesOn(MOSQUITTO, /--fail|absent subscriber|2 without a pause|hold-acks acknowledges/);

test("QoS 2: what an earlier process left without its PUBREL swallows no message of the next one [MQTT-4.3.3-2]", async t => {
  const { url, port } = await lwtBroker(t);
  const watcher = await RawClient.connect(t, port, { clientId: "watcher" });
  await watcher.subscribe("Binil/Machine1/SensorData", 1);
  const killed = { clientId: "Machine1", clean: false, holdPubrel: true };
  const earlier = await RawClient.connect(t, port, killed);
  const reading = [field("Binil/Machine1/SensorData"), Buffer.from("earlier")] as const;
  for (const id of [1, 2, 3, 20]) {
    earlier.socket.write(packet(0x34, reading[0], uint16(id), reading[1]));
    await earlier.packet("PUBREC", PacketType.pubrec, id);
  }
  earlier.socket.destroy();
  const pub = command(t, "pub-lwt", ["-b", url, "-q", "2", "-C", "30", "--interval", "0"]);
  assert.equal(await pub.exit(), 0);
  assert.equal((await pub.event("connected")).sessionPresent, true);
  assert.equal(pub.all("acknowledged").filter(({ seq }) => seq !== null).length, 30);
  const other = await RawClient.connect(t, port, { clientId: "other" });
  await other.publish("Binil/Machine1/SensorData", "marker", 1);
  const came = (await watcher.payloadsBefore("marker")).filter(payload => payload !== "earlier");
  const seqs = came.map(payload => (JSON.parse(payload) as { seq: number }).seq);
  assert.deepEqual(
    seqs,
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
});
