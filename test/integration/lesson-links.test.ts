import assert from "node:assert/strict";
import { test } from "node:test";
import { SLIDE_NAMES } from "../../src/lessons/language/namespacing.js";
import { EventOrderer } from "../../src/lessons/run/event-orderer.js";
import { LessonLinks } from "../../src/lessons/run/lesson-links.js";

test("the URL of a link has the broker's scheme and path; a client that no step cuts off has no link", async t => {
  const steps = [
    { kind: "cut", cut: "M" } as const,
    { kind: "failover", failover: "Sub" } as const,
    { kind: "stop", stop: "Other" } as const,
  ];
  const brokerOption = "mqtt://h:1883,ws://u:p@i/mqtt";
  const broker = {
    external: { broker: brokerOption, environment: {} },
    names: SLIDE_NAMES,
    brokerOption,
    connectedUrl: "ws://127.0.0.1:80/x",
  };
  const links = new LessonLinks(steps, broker, new EventOrderer(() => {}));
  t.after(() => links.close());
  for (const client of ["M", "Sub", "Other"]) await links.open(client);
  assert.match(links.urlOf("M"), /^ws:\/\/127\.0\.0\.1:\d+\/x$/);
  assert.match(links.urlOf("Sub"), /^mqtt:\/\/127\.0\.0\.1:\d+,ws:\/\/127\.0\.0\.1:\d+\/mqtt$/);
  assert.deepEqual([links.urlOf("Other"), links.urlOf("unknown")], ["", ""]);
});
