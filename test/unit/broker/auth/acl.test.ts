import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { filterCovers, topicFilterProblem, topicMatches } from "../../../../src/protocol/topics.js";
import { parseAclRule, permissionsFrom } from "../../../../src/broker/auth/acl.js";
import { FairQueue } from "../../../../src/broker/auth/fair-queue.js";

/** All topics of up to four levels, with one that no filter names. */
const topics = [1, 2, 3, 4].flatMap(depth =>
  Array.from({ length: 4 ** depth }, (_, i) =>
    Array.from(
      { length: depth },
      (_, level) => ["a", "$b", "", "other"][Math.floor(i / 4 ** level) % 4],
    ).join("/"),
  ),
);

const filters = fc
  .array(fc.constantFrom("a", "$b", "", "+", "#"), { minLength: 1, maxLength: 3 })
  .map(levels => levels.join("/"))
  .filter(filter => topicFilterProblem(filter) === null);

test("a filter is inside another when every topic that it matches is matched by that too", () => {
  fc.assert(
    fc.property(filters, filters, (wanted, filter) => {
      const isInside = topics.every(topic => !topicMatches(filter, topic) || topicMatches(wanted, topic));
      assert.equal(
        filterCovers(parseAclRule("subscribe", wanted).levels, filter),
        isInside,
        `${filter} in ${wanted}`,
      );
    }),
    { numRuns: 500 },
  );
});

test("a topic is covered by the filters that match it", () => {
  fc.assert(
    fc.property(filters, fc.constantFrom(...topics), (wanted, topic) => {
      const { levels } = parseAclRule("publish", wanted);
      assert.equal(filterCovers(levels, topic), topicMatches(wanted, topic), `${topic} in ${wanted}`);
    }),
  );
});

test("whatever a user and a client are called, their names stand for one level that is called so", () => {
  const name = fc.oneof(fc.string(), fc.constantFrom("a/b", "+", "#", "$SYS", "", "%c", "%u", "$&"));
  const rights = [parseAclRule("publish", "of/%u/x-%c/end"), parseAclRule("subscribe", "%c/#")];
  fc.assert(
    fc.property(
      name,
      name,
      fc.constantFrom(...topics, "of/u/x-c/end", "of/+/x-+/end"),
      (user, clientId, topic) => {
        const { mayPublish, maySubscribe } = permissionsFrom(rights, user, clientId);
        if (mayPublish(topic)) assert.deepEqual(topic.split("/"), ["of", user, `x-${clientId}`, "end"]);
        if (maySubscribe(topic)) assert.equal(topic.split("/")[0], clientId);
        assert.ok(!maySubscribe("#") && !maySubscribe("+/a") && !maySubscribe("$SYS/x"));
      },
    ),
  );
  const { mayPublish, maySubscribe } = permissionsFrom(rights, "%c", "$&");
  assert.deepEqual([mayPublish("of/%c/x-$&/end"), maySubscribe("$&/a")], [false, false]);
  assert.ok(permissionsFrom(rights, "%c", "c").mayPublish("of/%c/x-c/end"));
});

test("log-ins: so many at once, the addresses in turn, and what is too much is refused", async () => {
  const turns = new FairQueue(2, 6, 4);
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const take = (address: string, name: string) =>
    turns.enqueue(address, () => {
      started.push(name);
      return new Promise<void>(resolve => ends.push(resolve));
    });
  const of = (address: string, count: number) =>
    Array.from({ length: count }, (_, i) => take(address, `${address}${i + 1}`));
  // Two are started, four wait, one is too many.
  const many = of("a", 7);
  assert.deepEqual(
    many.map(each => each !== null),
    [true, true, true, true, true, true, false],
  );
  assert.ok(take("b", "b1") && take("b", "b2"));
  assert.equal(take("c", "c1"), null, "of all");
  for (let i = 0; i < 8; i++) {
    assert.ok(started.length - i <= 2, "two at once");
    ends[i]?.();
    await new Promise(resolve => setImmediate(resolve));
  }
  assert.deepEqual(started, ["a1", "a2", "a3", "b1", "a4", "b2", "a5", "a6"]);
  for (const each of many) await each;
  const failed = turns.enqueue("a", () => Promise.reject(new Error("failed")));
  await assert.rejects(async () => failed, /failed/);
  await turns.enqueue("a", async () => {});
});
