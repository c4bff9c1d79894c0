// What mqtt.js does when nothing else is done with it: `pub` publishes the lines of standard input, `sub` counts to N,
// in a stored session where its client ID is given.
import { readFileSync } from "node:fs";
import mqtt from "mqtt";

const WINDOW = 1000;
const [job, port, qosText, topic, count, session] = process.argv.slice(2);
const qos = Number(qosText);
const clientId = session ?? `bare-${job}`;
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId, clean: session === undefined });

function publish() {
  const lines = readFileSync(0, "utf8").trimEnd().split("\n");
  let next = 0;
  let done = 0;
  const send = () => {
    for (; next < lines.length && next - done < WINDOW; next++)
      client.publish(topic, lines[next], { qos }, isDone);
  };
  const isDone = () => {
    done += 1;
    if (done === lines.length) client.end();
    else send();
  };
  send();
}

function subscribe() {
  client.subscribe(topic, { qos });
}

let received = 0;
client.on("message", () => {
  received += 1;
  if (received === Number(count)) client.end();
});
client.once("connect", job === "pub" ? publish : subscribe);
