// Runs all four commands, a lesson and the library. packed.ts compiles it where the package is installed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { type BrokerEvent, type ClientEvent, connect, startBroker } from "mqtt-lwt-lab";

const bin = (name: string) => path.resolve("node_modules", "mqtt-lwt-lab", "bin", `${name}.cjs`);
const run = (name: string, ...args: string[]) =>
  execFileSync(process.execPath, [bin(name), ...args], { encoding: "utf8" });

for (const name of ["pub-lwt", "sub-lwt", "lwt-broker", "lwt-demo"])
  assert.match(run(name, "--version"), /^\d+\.\d+\.\d+\n$/);
assert.match(run("lwt-demo", "offline-notification", "--json"), /"event":"result".*"passed":true/);

const brokerEvents: BrokerEvent["event"][] = [];
const broker = await startBroker(
  { host: "127.0.0.1", port: 0 },
  ({ event }) => void brokerEvents.push(event),
);
const received: (string | null)[] = [];
const onEvent = (event: ClientEvent) => {
  if (event.event === "message") received.push(event.payload);
};
const subscriber = await connect({ broker: broker.url, clientId: "Reader" }, onEvent);
await subscriber.subscribe(["a/b"], 1);
const publisher = await connect({ broker: broker.url, clientId: "Writer" });
await publisher.publish({ topic: "a/b", payload: "hello", qos: 1, retain: false });
await publisher.end();
await subscriber.end();
await broker.close();
assert.deepEqual(received, ["hello"]);
assert.ok(brokerEvents.includes("client-connected"));
