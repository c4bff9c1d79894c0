import assert from "node:assert/strict";
import { test } from "node:test";
import { checkText } from "../../src/render/check-text.js";
import type { CheckEvent, Timed } from "../../src/events/events.js";
import { assertKnownDeviationsOnly, NEEDS_BROKER_LIST, NEEDS_OWN_BROKER } from "../support/checks.js";
import { command, missing, mosquitto } from "../support/processes.js";
import { plainScreen } from "../support/screens.js";

const skip = missing("mosquitto", ["-h"]);

test("Mosquitto names its version, deviates as listed, and has no session left", {
  skip,
}, async t => {
  const { url } = await mosquitto(t);
  const run = await assertKnownDeviationsOnly(
    t,
    [...NEEDS_OWN_BROKER, ...NEEDS_BROKER_LIST],
    ["--broker", url],
  );
  const verdict = await run.event("check", { passed: false });
  assert.match(`${verdict.product?.name} ${verdict.product?.version}`, /^mosquitto 2\.\d+\.\d+$/);

  const retained = command(t, "sub-lwt", ["--retained", "-t", "#", "-b", url]);
  assert.equal(await retained.exit(), 0);
  assert.deepEqual(retained.all("message"), []);
  // Mosquitto counts the stored sessions without a connection.
  const sessions = command(t, "sub-lwt", ["-b", url, "-t", "$SYS/broker/clients/disconnected"]);
  await sessions.event("message", { payload: "0" });

  const render = checkText(plainScreen);
  const shown = run.events.map(event => render(event as Timed<CheckEvent>)?.out ?? "").join("");
  const lines = shown.split("\n");
  for (const line of lines) assert.ok(line.length <= 80, line);
  assert.match(shown, /^broker-restart +S3 +skipped +it stops and starts its own broker$/m);
  const at = lines.findIndex(line => /^client-id +S6 +deviates +3\.1\.4-2 3\.1\.3-2/.test(line));
  assert.match(lines[at + 1] ?? "", /^ {4}\[MQTT-3\.1\.2-8\] the broker publishes First's will/);
  assert.match(shown, /\n {4}known: It publishes no will when one stored session takes over another's/);
  assert.match(
    lines.at(-1) ?? "",
    /^mosquitto [\d.]+: 17 held, 2 deviate, 2 skipped; 2 promises broken, known$/,
  );
});

test("lessons pass on Mosquitto over WebSocket", { skip }, async t => {
  const { wsPort } = await mosquitto(t);
  const webSocket = ["--broker", `ws://127.0.0.1:${wsPort}/mqtt`];
  const runs = ["graceful", "publisher-outbox"].map(lesson => command(t, "lwt-demo", [lesson, ...webSocket]));
  assert.deepEqual(await Promise.all(runs.map(run => run.exit())), [0, 0]);
});
