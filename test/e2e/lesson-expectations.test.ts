import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assertAllEnded,
  runSteps,
  WAIT_FOR_NOTHING,
  lastResult,
  SUBSCRIBED,
  SUBSCRIBER_OF_READINGS,
  SUBSCRIBER,
  renderedText,
} from "../support/own-lessons.js";

test("a claim that does not hold ends the lesson with exit code 1 and the events that came instead", async t => {
  const wrong =
    "  - expect: subscribed\n    from: Sub\n    where: { grantedQos: 2 }\n    within: 5\n" +
    "    what: the broker grants QoS 2\n    clause: MQTT-3.8.4-6\n";
  const run = runSteps(t, `${SUBSCRIBER}${wrong}  - say: never said\n`);
  assert.equal(await run.exit(), 1);
  const [claim] = run.all("expected");
  assert.equal(claim?.what, "the broker grants QoS 2");
  assert.equal(claim?.clause, "[MQTT-3.8.4-6]");
  assert.match(
    claim?.instead ?? "",
    /^Sub did not emit subscribed \(grantedQos 2\) within 5 s; .*grantedQos 1/,
  );
  assert.deepEqual(run.all("step"), []);
  assert.equal(lastResult(run).failed, 1);
  assertAllEnded(run);
});

test("an event of `never` fails the claim as soon as it comes", async t => {
  const never =
    "  - start: M\n    run: pub-lwt --count 1\n  - expect: status\n    from: Sub\n    within: 60\n" +
    "    where: { state: stopped }\n    never: { event: status, where: { state: online } }\n    what: it only stops\n";
  const run = runSteps(t, SUBSCRIBED + never);
  assert.equal(await run.exit(), 1);
  assert.match(
    run.all("expected").at(-1)?.instead ?? "",
    /^Sub emitted status \(state "online"\) before status/,
  );
});

test("an expectation finds only events after the last one found", async t => {
  const reading = (seq: number) =>
    `  - expect: message\n    from: Sub\n    where: { seq: ${seq} }\n    within: 5\n`;
  const run = runSteps(
    t,
    `${SUBSCRIBED}  - start: M\n    run: pub-lwt --count 2 --interval 0.1\n${reading(2)}${reading(1)}`,
  );
  assert.equal(await run.exit(), 1);
  assert.deepEqual(
    run.all("observed").map(({ what }) => what),
    ["broker: listening", "Sub: subscribed", "Sub: message (seq 2)"],
  );
});

/** Three queued readings, which a subscriber receives and does not acknowledge. */
const NOT_ACKNOWLEDGED = `${SUBSCRIBER_OF_READINGS} --subscribe-only
  - expect: disconnected
    from: Sub
  - start: M
    run: pub-lwt --count 3 --interval 0 --no-status
  - expect: connected
    from: M
    where: { will.topic: "{ns}/Machine1/Status", keepAlive: { above: 59, below: 61, not: 1, oneOf: [60] } }
  - expect: disconnected
    from: M
    as: left
${SUBSCRIBER_OF_READINGS} --hold-acks -i Subscriber1
  - expect: message
    from: Sub
    where: { seq: { atLeast: 1, atMost: 3 } }
    times: 3
    as: held
    what: all three came
    after: { event: left, atMost: 20 }
  - kill: Sub
${SUBSCRIBER_OF_READINGS} --count 3 -i Subscriber1
`.replaceAll("\n --", " --");

test("a process that starts again has none of its earlier events", async t => {
  const again =
    "  - expect: published\n    from: M\n    where: { payload: x }\n    never: { event: summary }\n    what: only the second\n";
  const first = "  - start: M\n    run: pub-lwt --count 1\n  - expect: acknowledged\n    from: M\n";
  const run = runSteps(t, `${first}  - start: M\n    run: pub-lwt --message x\n${again}`);
  assert.equal(await run.exit(), 0, run.stdout);
});

test("events are compared, counted and captured, and the time between them is reported", async t => {
  const again =
    "  - expect: message\n    from: Sub\n    where: { dup: true, packetId: { same: held.packetId } }\n    times: 3\n    what: again\n";
  const run = runSteps(t, NOT_ACKNOWLEDGED + again);
  assert.equal(await run.exit(), 0, run.stdout);
  const [came, same] = run.all("expected");
  assert.ok(came?.seconds && came.seconds > 0 && came.seconds < 20);
  assert.deepEqual([same?.held, same?.seconds], [true, null]);
});

/** Three readings. The lesson captures the first, whose packet identifier and QoS are both 1. */
const FIRST_CAPTURED = `${SUBSCRIBER_OF_READINGS} --count 3
  - expect: subscribed
    from: Sub
  - start: M
    run: pub-lwt --count 3 --interval 0.05 --no-status
  - expect: published
    from: M
    as: first
`.replaceAll("\n --", " --");

const unfulfilled: [what: string, more: string, says: RegExp][] = [
  [
    "another value",
    "where: { packetId: { same: first.qos } }\n    times: 2",
    /no\. 2 of 2: message \(packetId 1\)/,
  ],
  ["one too few", "times: 4", /^Sub ended before it emitted no\. 4 of 4: message/],
  [
    "a time too late",
    "where: { seq: 3 }\n    after: { event: first, atMost: 0 }",
    /^Sub emitted message [\d.]+ s after "first".* at most 0 s/,
  ],
  [
    "a field that isn't there",
    "where: { will.topic: { not: x }, a.b: 1 }",
    /message \(will.topic not "x", a.b 1\)/,
  ],
];
test("a claim with another value, one too few, too late or without its field does not hold", {
  concurrency: 2,
}, async t => {
  await Promise.all(
    unfulfilled.map(([what, more, says]) =>
      t.test(what, async t => {
        const run = runSteps(
          t,
          `${FIRST_CAPTURED}  - expect: message\n    from: Sub\n    ${more}\n    what: again\n`,
        );
        assert.equal(await run.exit(), 1);
        const last = run.all("expected").at(-1);
        assert.equal(last?.held, false);
        assert.match(last?.instead ?? "", says);
      }),
    ),
  );
});

test("an optional claim that does not hold fails nothing, and the steps that need it are left out", async t => {
  const qosClaim = (qos: number) =>
    `${SUBSCRIBER}  - expect: subscribed\n    from: Sub\n    within: 1\n    where: { grantedQos: ${qos} }\n    what: QoS ${qos}\n    optional: true\n    as: granted\n`;
  const more =
    "  - expect: status\n    from: Sub\n    needs: granted\n    within: 1\n    what: never\n" +
    "  - stop: Sub\n  - expect: summary\n    from: Sub\n    what: it ends\n";
  const deviating = runSteps(t, qosClaim(2) + more);
  assert.equal(await deviating.exit(), 0);
  const [claim, end] = deviating.all("expected");
  assert.deepEqual(
    [claim?.held, claim?.mandatory, claim?.deviation, claim?.reason],
    [false, false, true, null],
  );
  assert.match(claim?.instead ?? "", /grantedQos 1/);
  assert.deepEqual([end?.what, end?.held, end?.mandatory], ["it ends", true, true]);
  const { held, deviations, notObserved, passed } = lastResult(deviating);
  assert.deepEqual([held, deviations, notObserved, passed], [1, 1, 1, true]);

  const text = renderedText(deviating);
  assert.match(text, / {2}differs QoS 2\n( {10}.*\n)+ {10}MQTT leaves this open\.\n/);
  assert.match(text, /mine passed: 1 claim held, 1 differ/);

  const holding = runSteps(t, qosClaim(1) + more);
  assert.equal(await holding.exit(), 1);
  assert.equal(holding.all("expected").at(-1)?.what, "never");
});

test("an expectation of a process that has ended fails at once", async t => {
  const run = runSteps(t, `${SUBSCRIBED}  - stop: Sub\n${WAIT_FOR_NOTHING}`);
  assert.equal(await run.exit(), 1);
  assert.match(run.all("expected").at(-1)?.instead ?? "", /^Sub ended before it emitted status; .*summary/);
});
