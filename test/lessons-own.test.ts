import { test } from "node:test";
import { findsWhatIsKnown, NEED_MQTT_5, NEED_OTHER_BROKERS } from "./checks.js";
import { command, lwtBroker } from "./processes.js";
import assert from "node:assert/strict";

test("every lesson holds on a bundled broker", async t => {
  const run = await findsWhatIsKnown(t, [...NEED_MQTT_5, ...NEED_OTHER_BROKERS], []);
  assert.equal(run.all("check")[0]?.product?.name, "lwt-broker");
});

test("a lesson runs twice at a time on one broker", async t => {
  const { url } = await lwtBroker(t);
  const twice = [1, 2].map(() => command(t, "lwt-demo", ["queued", "--broker", url]));
  assert.deepEqual(await Promise.all(twice.map(run => run.exit())), [0, 0]);
});
