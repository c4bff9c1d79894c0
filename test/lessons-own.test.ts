import { test } from "node:test";
import { eachPasses, passes } from "./every-lesson.js";
import { lwtBroker } from "./processes.js";

test("every lesson passes on a bundled broker of its own", t => eachPasses(t));

test("a lesson runs twice at a time on one broker", { concurrency: true }, async t => {
  const { url } = await lwtBroker(t);
  const which = ["one", "the other"];
  await Promise.all(which.map(name => t.test(name, t => passes(t, "queued", ["--broker", url]))));
});
