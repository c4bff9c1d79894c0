// The slide's Python, each line above what does the same here. In a clone, beside a broker (npx lwt-broker):
//
//   node --import tsx examples/slide-code.ts [mqtt://host:port]
//
// On a public broker choose another client ID and other topics: two clients with one ID throw each other out.
import { connect } from "mqtt-lwt-lab";

const broker = process.argv[2] ?? "mqtt://127.0.0.1:1883";

const client = await connect({
  // client = mqtt.Client("Machine1", clean_session=False)
  clientId: "Machine1",
  cleanSession: false,

  // client.will_set("sensors/lastwill", "Sensor Offline", qos=1, retain=True)
  will: { topic: "sensors/lastwill", payload: "Sensor Offline", qos: 1, retain: true },

  // client.connect("broker.hivemq.com")
  broker,
});

for (let reading = 1; reading <= 3; reading++) {
  // msg = json.dumps({"machine_id": 200, "sentDate": ..., "Temperature": ..., "Status": "ON"})
  const msg = JSON.stringify({
    machine_id: 200,
    sentDate: new Date().toISOString(),
    Temperature: 20 + reading,
    Pressure: 75,
    Humidity: 40,
    Status: "ON",
  });

  // client.publish("Binil/Machine1/SensorData", msg, qos=1)
  await client.publish({ topic: "Binil/Machine1/SensorData", payload: msg, qos: 1, retain: false });
  console.log(`acknowledged: ${msg}`);
}

// client.disconnect()
await client.end(); // the broker throws the will away
