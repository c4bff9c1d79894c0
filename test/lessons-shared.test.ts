import assert from "node:assert/strict";
import { test } from "node:test";
import { eachPasses, passes } from "./every-lesson.js";
import { command, lwtBroker } from "./processes.js";

test("every lesson passes on a bundled broker that others use too, and leaves nothing there", async t => {
  const { url, port } = await lwtBroker(t);
  await eachPasses(t, ["--broker", url]);
  const status = command(t, "lwt-broker", ["status", "--port", String(port)]);
  assert.equal(await status.exit(), 0);
  const { sessions, retained } = await status.event("broker-status");
  assert.deepEqual([sessions, retained], [[], []]);
});

test("a lesson runs twice at a time on one broker", { concurrency: true }, async t => {
  const { url } = await lwtBroker(t);
  const which = ["one", "the other"];
  await Promise.all(which.map(name => t.test(name, t => passes(t, "queued", ["--broker", url]))));
});
