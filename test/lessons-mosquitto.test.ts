import assert from "node:assert/strict";
import { test } from "node:test";
import { eachPasses, passes } from "./every-lesson.js";
import { command, missing, mosquitto } from "./processes.js";

const skip = missing("mosquitto", ["-h"]);
/** Mosquitto 2.0.11 sends no will when one stored session takes another's connection over, and no DISCONNECT. */
const DEVIATIONS = { "client-id": 1, "session-expiry": 1 };

test("every lesson passes on Mosquitto, and leaves no session and nothing retained", {
  skip,
}, async t => {
  const { url } = await mosquitto(t);
  await eachPasses(t, ["--broker", url], DEVIATIONS);
  const retained = command(t, "sub-lwt", ["--retained", "-t", "#", "-b", url]);
  assert.equal(await retained.exit(), 0);
  assert.deepEqual(retained.all("message"), []);
  // Mosquitto's own count of stored sessions whose clients are away.
  const sessions = command(t, "sub-lwt", ["-b", url, "-t", "$SYS/broker/clients/disconnected"]);
  await sessions.event("message", { payload: "0" });
});

test("lessons pass on Mosquitto over WebSocket", { skip }, async t => {
  const { wsPort } = await mosquitto(t);
  const over = ["--broker", `ws://127.0.0.1:${wsPort}/mqtt`];
  await Promise.all([passes(t, "graceful", over), passes(t, "publisher-outbox", over)]);
});
