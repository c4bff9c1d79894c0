import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import stringWidth from "string-width";
import { parseAddress } from "../../src/protocol/broker-url.js";
import { ReconnectPolicy } from "../../src/connection/reconnect-policy.js";
import { type ReceivedMessage, labelDelivery } from "../../src/domain/delivery-label.js";
import { isUserError, UserError } from "../../src/util/errors.js";
import { ParsedMessage, parseObject, readingId } from "../../src/domain/sensor-reading.js";
import { displayWidth, truncate, wrap } from "../../src/render/text-layout.js";
import { escapeText, jsonLine } from "../../src/render/escape.js";
import { rawText } from "../../src/render/sub-text.js";
import { machineStateOf } from "../../src/domain/machine-status.js";
import { SequenceTally } from "../../src/domain/sequence-tally.js";
import { plainScreen } from "../support/screens.js";
import { machineOf, topicFilterProblem, topicMatches, topicNameProblem } from "../../src/protocol/topics.js";

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

test("a machine and its status are told by the topic", () => {
  assert.equal(machineOf("Binil/Machine1/SensorData", "Binil"), "Machine1");
  assert.equal(machineOf("Binil/Machine1/other", "Binil"), null);
  assert.equal(machineOf("sensors/lastwill", "Binil"), null);
  assert.deepEqual(machineStateOf("Binil/M/Status", "Sensor Offline", "Binil"), {
    machine: "M",
    state: "offline",
  });
  assert.deepEqual(machineStateOf("sensors/lastwill", "Sensor Offline", "Binil"), {
    machine: null,
    state: "offline",
  });
  assert.equal(machineStateOf("Binil/M/SensorData", "Sensor Offline", "Binil"), null);
  assert.equal(machineStateOf("Binil/M/Status", "sensor offline", "Binil"), null);
});

test("a character takes as many columns as string-width says, also where it is not asked", () => {
  for (let code = 0x20; code < 0x3000; code++) {
    const character = String.fromCodePoint(code);
    assert.equal(displayWidth(character), stringWidth(character), `U+${code.toString(16)}`);
  }
  assert.equal(truncate("Müller → Straße", 10), "Müller → …");
  assert.equal(truncate("Mu\u0308ller", 4), "Mu\u0308l…");
});

test("a payload from anyone never breaks the reader", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), payload => void readingId(parseObject(payload))));
  assert.deepEqual(readingId(parseObject('{"run":"0123abcd","seq":7}')), {
    run: "0123abcd",
    seq: 7,
    sentAt: null,
  });
  assert.deepEqual(readingId(parseObject('{"run":"0123abcd","seq":-7}')), {
    run: null,
    seq: null,
    sentAt: null,
  });
});

test("what the receiver parsed rides on the event, and not in its JSON line", () => {
  const parsed = new ParsedMessage({ seq: 1 }, null);
  assert.equal(jsonLine({ event: "message", seq: 1, parsed }), '{"event":"message","seq":1}');
});

const arrival: ReceivedMessage = {
  retain: false,
  dup: false,
  packetId: 1,
  sessionPresent: true,
  isDrained: false,
  connectedAt: 1000,
  sentAt: null,
  matchesFilter: true,
};

test("each label comes from its evidence", () => {
  assert.equal(labelDelivery({ ...arrival, retain: true, dup: true }).delivery, "retained");
  assert.equal(labelDelivery({ ...arrival, dup: true }).delivery, "redelivered");
  assert.match(labelDelivery(arrival).evidence, /may have been sent after you came back/);
  assert.match(labelDelivery({ ...arrival, sentAt: 1 }).evidence, /before this connection/);
  assert.equal(labelDelivery({ ...arrival, isDrained: true }).delivery, "live");
  assert.equal(labelDelivery({ ...arrival, sessionPresent: false, isDrained: true }).delivery, "live");
  assert.match(labelDelivery({ ...arrival, matchesFilter: false }).evidence, /no filter of this run/);
});

test("a tally counts gaps, doubles and order by run and seq", () => {
  const tally = new SequenceTally();
  const count = (seq: number, run = "aaaaaaaa", delivery: "live" | "retained" | "redelivered" = "live") =>
    tally.count({ machine: "M", delivery, run, seq });
  for (const seq of [1, 2, 5, 4, 4, 9]) assert.equal(count(seq), false);
  count(2, "aaaaaaaa", "retained");
  const [summary] = tally.summary();
  assert.deepEqual(
    [summary?.missing, summary?.duplicate, summary?.outOfOrder, summary?.received],
    [4, 1, 1, 7],
  );
  assert.equal(count(1, "bbbbbbbb"), false, "a later run");
  assert.equal(count(10, "aaaaaaaa", "redelivered"), false, "a redelivery may be of an earlier run");
  assert.equal(count(11), true, "two runs interleaved");
  assert.equal(count(2, "bbbbbbbb"), false, "told once");
});

test("the summary says from where on nothing is missing: what came before, nobody can know", () => {
  const summaryOf = (...seqs: number[]) => {
    const tally = new SequenceTally();
    for (const seq of seqs) tally.count({ machine: "M", delivery: "queued", run: "aaaaaaaa", seq });
    const time = new Date(0).toISOString();
    return rawText(plainScreen)({ time, event: "summary", machines: tally.summary() })?.err;
  };
  assert.equal(summaryOf(1, 2), "M  2 received: 2 queued; none missing, none doubled");
  assert.equal(summaryOf(4, 5), "M  2 received: 2 queued; none missing from 4 on, none doubled");
  assert.equal(summaryOf(4, 6), "M  2 received: 2 queued; 1 missing from 4 on, none doubled");
  assert.match(summaryOf(4, 3) ?? "", /none missing, none doubled, 1 out of order/);
});

test("any order of the same numbers gives no gap and no double", () => {
  const permutation = fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 });
  fc.assert(
    fc.property(permutation, seqs => {
      const tally = new SequenceTally();
      for (const seq of seqs) tally.count({ machine: null, delivery: "live", run: "aaaaaaaa", seq });
      const [summary] = tally.summary();
      assert.deepEqual([summary?.missing, summary?.duplicate], [0, 0]);
    }),
  );
});

test("a tally of endless runs and gaps counts them all, and remembers the latest", () => {
  const tally = new SequenceTally();
  const count = (run: string, seq: number) => tally.count({ machine: "M", delivery: "live", run, seq });
  for (let run = 0; run < 1000; run++) for (const seq of [1, 3]) count(`run${run}`, seq);
  for (let seq = 5; seq < 10_000; seq += 2) count("run999", seq);
  assert.deepEqual(counted(tally), { runs: 1000, missing: 1000 + 4998, duplicate: 0, outOfOrder: 0 });
  count("run999", 9_000);
  count("run999", 2);
  assert.deepEqual(counted(tally), { runs: 1000, missing: 1000 + 4997, duplicate: 1, outOfOrder: 1 });
});

function counted(tally: SequenceTally) {
  const [{ runs, missing, duplicate, outOfOrder } = assert.fail()] = tally.summary();
  return { runs, missing, duplicate, outOfOrder };
}

test("nothing from the network reaches a terminal or a JSON line raw", () => {
  const unsafe =
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]|\p{Cs}/u;
  const anyText = fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map(code => String.fromCharCode(code)),
  });
  fc.assert(
    fc.property(anyText, text => {
      assert.doesNotMatch(escapeText(text), unsafe);
      const line = jsonLine({ text });
      assert.doesNotMatch(line, unsafe);
      assert.equal((JSON.parse(line) as { text: string }).text, text);
    }),
  );
});

test("tries grow, end at the deadline, and three quick closes are a fight over the ID", () => {
  const settings = { clientId: "X", connectTimeout: 4000, reconnectTimeout: 300_000 };
  const refused = { error: Object.assign(new Error("x"), { code: "ECONNREFUSED" }), firstBytes: null };
  const closed = { error: null, firstBytes: null };
  const none = { failed: [], goesOn: false };
  const address = parseAddress("mqtt://h:1");
  assert.ok(address);
  const first = new ReconnectPolicy(settings, 0);
  const error = new UserError("no-broker", "x", "y");
  const failed = [{ address, error, reason: "z", isFinal: false }];
  const delays = [0, 1000, 2000].map(now => first.closed(address, refused, now, { failed, goesOn: false }));
  for (const [i, next] of delays.entries()) {
    assert.ok("inSeconds" in next);
    assert.ok(next.inSeconds >= 0.25 * 2 ** i && next.inSeconds <= 0.5 * 2 ** i);
    assert.equal(next.secondsLeft, 4 - i);
  }
  assert.equal(first.closed(address, refused, 4000, { failed, goesOn: false }), error);
  const fought = new ReconnectPolicy(settings, 0);
  const ends = [1000, 2000, 3000].map(now => {
    fought.accepted(now);
    return fought.closed(address, closed, now + 100, none);
  });
  assert.deepEqual(ends.map(isUserError), [false, false, true]);
  const killed = new ReconnectPolicy(settings, 0);
  const moves = ["mqtt://a:1", "mqtt://b:1", "mqtt://c:1"].map((url, i) => {
    killed.accepted(i * 1000);
    return killed.closed(parseAddress(url) ?? address, closed, i * 1000 + 100, none);
  });
  assert.deepEqual(moves.map(isUserError), [false, false, false], "three brokers that end are no fight");
});

test("wrapped text keeps its indent and its width", () => {
  assert.equal(wrap("  a b", 80, "    "), "  a b");
  assert.equal(wrap("one two three", 8), "one two\n  three");
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 })), words => {
      for (const line of wrap(words.join(" "), 80).split("\n")) assert.ok(stringWidth(line) <= 80, line);
    }),
  );
});
