// Run in a folder where the packed tarball has been installed: all four commands start, and the library works.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { connect, startBroker } from "mqtt-lwt-lab";

for (const name of ["pub-lwt", "sub-lwt", "lwt-broker", "lwt-demo"]) {
  const bin = path.resolve("node_modules", "mqtt-lwt-lab", "bin", `${name}.cjs`);
  assert.match(execFileSync(process.execPath, [bin, "--version"], { encoding: "utf8" }), /^\d+\.\d+\.\d+\n$/);
}
const lesson = path.resolve("node_modules", "mqtt-lwt-lab", "bin", "lwt-demo.cjs");
execFileSync(process.execPath, [lesson, "offline-notification"], { stdio: "ignore" });

const broker = await startBroker({ host: "127.0.0.1", port: 0 }, () => {});
const received = [];
const reader = await connect({ broker: broker.url, clientId: "Reader" }, event => {
  if (event.event === "message") received.push(event.payload);
});
await reader.subscribe(["a/b"], 1);
const writer = await connect({ broker: broker.url, clientId: "Writer" });
await writer.publish({ topic: "a/b", payload: "hello", qos: 1, retain: false });
await writer.end();
await reader.end();
await broker.close();
assert.deepEqual(received, ["hello"]);
