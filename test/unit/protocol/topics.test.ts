import assert from "node:assert/strict";
import { test } from "node:test";
import { topicFilterProblem, topicMatches, topicNameProblem } from "../../../src/protocol/topics.js";

test("topic filters match as MQTT 3.1.1, 4.7 says", () => {
  const matches: [string, string, boolean][] = [
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
    ["sport/tennis/+", "sport/tennis/player1", true],
    ["sport/tennis/+", "sport/tennis/player1/ranking", false],
    ["sport/+", "sport", false],
    ["sport/+", "sport/", true],
    ["+/+", "/finance", true],
    ["/+", "/finance", true],
    ["+", "/finance", false],
    ["#", "$SYS/broker", false],
    ["+/monitor/Clients", "$SYS/monitor/Clients", false],
    ["$SYS/#", "$SYS/broker", true],
    ["a/b", "a/B", false],
  ];
  for (const [filter, topic, expected] of matches)
    assert.equal(topicMatches(filter, topic), expected, `${filter} and ${topic}`);
});

test("bad topics and filters are named", () => {
  for (const topic of ["", "a/+", "a#", "a\0b", "\ud800", "x".repeat(65_536)])
    assert.ok(topicNameProblem(topic), topic.slice(0, 9));
  for (const filter of ["", "a#", "#/a", "a/b+", "a\0"]) assert.ok(topicFilterProblem(filter), filter);
  for (const filter of ["#", "+", "a/+/b", "/", "a/#"]) assert.equal(topicFilterProblem(filter), null);
});
