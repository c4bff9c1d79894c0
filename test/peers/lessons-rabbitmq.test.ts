import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assertKnownDeviationsOnly,
  NEEDS_MQTT5,
  NEEDS_BROKER_LIST,
  NEEDS_OWN_BROKER,
} from "../support/checks.js";
import { command } from "../support/processes.js";
import { noRabbitmq, rabbitmq } from "../support/rabbitmq.js";

test("RabbitMQ deviates as listed; without --as no deviation of it is known", {
  skip: noRabbitmq,
}, async t => {
  const { url, version } = await rabbitmq(t);
  const run = await assertKnownDeviationsOnly(
    t,
    [...NEEDS_OWN_BROKER, ...NEEDS_BROKER_LIST, ...NEEDS_MQTT5],
    ["--broker", url, "--as", `rabbitmq-${version}`],
  );
  const [qos2] = run.all("checked").filter(({ lesson }) => lesson === "acknowledged");
  assert.deepEqual(
    qos2?.deviations.map(({ mandatory }) => mandatory),
    [false],
  );

  const unknown = command(t, "lwt-demo", ["offline-notification", "--broker", url]);
  assert.equal(await unknown.exit(), 1);
  const claim = await unknown.event("expected", { held: false });
  assert.deepEqual([claim.deviation, claim.reason, claim.clause], [false, null, "[MQTT-3.3.1-6]"]);
});
