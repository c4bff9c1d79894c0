import assert from "node:assert/strict";
import { test } from "node:test";
import { SubscriptionTrie } from "../../../src/broker/store/subscription-trie.js";
import { ObservedBroker } from "../../support/observed-broker.js";
import { PacketType } from "../../support/packets.js";
import { RETAIN, filters, publishPacket, retainedFor } from "../../support/request-packets.js";

const topics = [
  "a",
  "A",
  "a/b",
  "a/b/c",
  "/a",
  "a/",
  "/",
  "//",
  "a//b",
  "a/ /b",
  "/finance",
  "finance",
  " a",
  "a b",
  "sport/tennis",
  "sport/tennis/",
  "sport/tennis/player1",
  "sport/tennis/player1/ranking",
  "sport",
  "$own",
  "$own/a",
  "$own/a/b",
  "b/$own",
  "\u00e9",
  "e\u0301",
  "\ufeff",
  "\ufeffa",
  "\uffff",
  "\u{1f600}/\u0001",
  "__proto__",
  "constructor/prototype",
];

for (const retained of [false, true])
  for (const [clause, topicFilter, matches] of filters)
    test(`[MQTT-${clause}] ${JSON.stringify(topicFilter)} matches what it should of ${retained ? "retained" : "live"} messages, and no more [MQTT-3.3.2-3]`, async t => {
      const broker = await ObservedBroker.start(t);
      const publisher = await broker.connect("publisher");
      const publishAll = async () => {
        publisher.socket.write(
          Buffer.concat(
            topics.map((topic, i) => publishPacket(topic, `:${topic}`, 1, 1001 + i, retained ? RETAIN : 0)),
          ),
        );
        await publisher.packet("the last PUBACK", PacketType.puback, 1000 + topics.length);
      };
      const live = async () => {
        const sub = await broker.connect("sub");
        for (const each of [topicFilter, "the/marker"]) await sub.subscribe(each, 1);
        await publishAll();
        await publisher.publish("the/marker", "end", 1);
        await sub.message("end");
        return sub.publishes.items.filter(({ topic }) => topic !== "the/marker");
      };
      if (retained) await publishAll();
      const found = retained ? await retainedFor(broker, [[topicFilter, 1]]) : await live();
      const expected = topics.filter(topic => matches.test(topic)).toSorted();
      assert.deepEqual(found.map(({ topic }) => topic).toSorted(), expected);
      assert.ok(found.every(({ topic, payload }) => payload === `:${topic}`));
    });

test("[MQTT-4.7.3-3] a topic name and a filter may be 65535 bytes long", async t => {
  const broker = await ObservedBroker.start(t, { limits: { "topic-bytes": 65_535 } });
  const long = "\u00e9".repeat(32_767);
  const sub = await broker.connect("sub");
  for (const topicFilter of [`a${long}`, `b${long.slice(1)}/+`]) await sub.subscribe(topicFilter, 1);
  const publisher = await broker.connect("publisher");
  for (const topic of [`a${long}`, `b${long.slice(1)}/c`]) {
    await publisher.publish(topic, topic.slice(0, 1), 1);
    assert.equal((await sub.message(topic.slice(0, 1))).topic, topic);
  }
});

test("no node of a topic tree is left when the last subscription is gone", t => {
  const set = t.mock.method(Map.prototype, "set");
  const tree = new SubscriptionTrie<string, number>();
  const wanted = ["a", "a/b", "a/b/c", "a/+/#", "#", "/", "a//b", "a/b"];
  for (const subscriber of ["one", "two"])
    for (const topicFilter of wanted) tree.set(topicFilter, subscriber, 1);
  const maps = () => new Set(set.mock.calls.map(call => call.this as Map<unknown, unknown>));
  const size = () => [...maps()].reduce((sum, map) => sum + map.size, 0);
  const full = size();
  assert.ok(full > 0);
  for (const topicFilter of ["x", "a/x", "a/b/c/d", "a/+"]) tree.delete(topicFilter, "one");
  tree.delete("a/b/c", "three");
  assert.equal(size(), full);
  for (const topicFilter of wanted) tree.delete(topicFilter, "one");
  const found: string[] = [];
  tree.match("a/b", subscriber => found.push(subscriber));
  assert.deepEqual(found, ["two", "two", "two"]); // by a/b, a/+/# and #
  for (const topicFilter of wanted.toReversed()) tree.delete(topicFilter, "two");
  assert.equal(size(), 0);
});
