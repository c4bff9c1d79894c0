import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { command, lwtBroker, noPaho, peer, PYTHON, temporaryFolder } from "../support/processes.js";

const skip = noPaho;

function python(t: TestContext, port: number, code: string) {
  const file = path.join(temporaryFolder(t), "script.py");
  writeFileSync(
    file,
    `import json, os, sys, time\nimport paho.mqtt.client as mqtt\nbroker, port = "127.0.0.1", ${port}\n${code}`,
  );
  return peer(t, PYTHON, ["-u", file]);
}

test("the course's publisher in Python works with sub-lwt, and its will too", { skip }, async t => {
  const { url, port } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-b", url]);
  await sub.event("subscribed", { topicFilter: "sensors/lastwill" });
  python(
    t,
    port,
    `
client = mqtt.Client("Machine7", clean_session=False)
client.will_set("sensors/lastwill", "Sensor Offline", qos=1, retain=True)
client.connect(broker, port, 60)
client.loop_start()
reading = {"machine_id": 200, "sentDate": "2026-01-01T00:00:00Z", "Temperature": 20.5, "Pressure": 60.0, "Humidity": 40.0, "Status": "ON"}
client.publish("Binil/Machine7/SensorData", json.dumps(reading), qos=1).wait_for_publish()
os._exit(1)
`,
  );
  const message = await sub.event("message", { machine: "Machine7" });
  assert.equal(message.delivery, "live");
  assert.equal(message.run, null);
  await sub.event("status", { machine: null, state: "offline", topic: "sensors/lastwill" });
  sub.child.send("stop");
  assert.equal(await sub.exit(), 0);
});

test("a subscriber in Python reads what pub-lwt sends", { skip }, async t => {
  const { url, port } = await lwtBroker(t);
  const script = python(
    t,
    port,
    `
def on_message(client, userdata, message):
    reading = json.loads(message.payload)
    print(sorted(reading), reading["machine_id"], 10 <= reading["Temperature"] <= 50, reading["Status"] in ("ON", "OFF"))
    client.disconnect()
client = mqtt.Client("Reader", clean_session=False)
client.on_message = on_message
client.on_subscribe = lambda *_: print("ready")
client.connect(broker, port, 60)
client.subscribe("Binil/Machine1/SensorData", qos=1)
client.loop_forever()
`,
  );
  await script.outputHas("ready");
  assert.equal(await command(t, "pub-lwt", ["-b", url, "-C", "1"]).exit(), 0);
  assert.equal(await script.exit(), 0);
  assert.match(
    script.stdout,
    /\['Humidity', 'Pressure', 'Status', 'Temperature', 'machine_id', 'run', 'sentDate', 'seq'\] 200 True True/,
  );
});
