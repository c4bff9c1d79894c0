import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { isUserError } from "../../src/util/errors.js";
import { splitLines } from "../../src/util/split-lines.js";
import { lessonFromFile, lessonNames } from "../../src/lessons/catalogue.js";
import { loadLesson } from "../../src/lessons/language/load-lesson.js";
import {
  command,
  ends,
  freePort,
  lwtBroker,
  missing,
  mosquitto,
  noPaho,
  temporaryFolder,
} from "../support/processes.js";
import {
  assertAllGone,
  CUT,
  demo,
  FOREVER,
  HEAD,
  lastResult,
  READY,
  STORED,
  SUBSCRIBER,
  textOf,
} from "../support/own-lessons.js";
import { certificate, tlsRelay } from "../support/servers.js";
import { lessonsDir } from "../support/paths.js";

const expecting = (more: string) => `${HEAD}${SUBSCRIBER}  - expect: message\n    from: Sub\n    ${more}\n`;

const mistakes: [what: string, text: string, place: string, message: RegExp][] = [
  ["broken YAML", "name: [a", "1:9", /Flow sequence/],
  ["an empty file", "", "1:1", /must be a mapping/],
  ["no title", "name: a\nsteps: []\n", "1:1", /title: this is missing/],
  [
    "a step of no kind",
    `${HEAD}  - shout: hey\n`,
    "4:5",
    /one of the keys say, start, stop, kill, cut, mend, failover, expect, predict/,
  ],
  [
    "a misspelt key",
    `${HEAD}  - predict: x\n    choices: [a, b]\n    answer: 1\n    becuase: x\n`,
    "7:14",
    /becuase: there is no key becuase/,
  ],
  ["a text that is none", `${HEAD}  - say: 1\n`, "4:10", /say: this must be text/],
  [
    "a strange command",
    `${HEAD}  - start: A\n    run: rm -rf\n`,
    "5:10",
    /pub-lwt, sub-lwt, slide-code.py, lwt-broker/,
  ],
  ["quotes", `${HEAD}  - start: A\n    run: pub-lwt -m "x y"\n`, "5:10", /write a list/],
  ["the broker's name", `${HEAD}  - start: broker\n    run: sub-lwt\n`, "4:12", /own broker/],
  ["an unknown key", `${HEAD}${SUBSCRIBER}  - stop: Sub\n    now: yes\n`, "7:10", /no key now/],
  ["a misspelt event", `${HEAD}  - expect: mesage\n    from: broker\n`, "4:13", /did you mean message/],
  [
    "a process not started",
    `${HEAD}  - kill: Sub\n${SUBSCRIBER}`,
    "4:11",
    /no step before this one starts Sub/,
  ],
  ["a broker's cable", `${HEAD}  - cut: broker\n`, "4:10", /the client at its end/],
  [
    "the cable of a process not started",
    `${HEAD}  - mend: Sub\n`,
    "4:11",
    /no step before this one starts Sub/,
  ],
  ["no process", `${HEAD}  - expect: message\n`, "4:5", /from: this is missing/],
  [
    "a clause that is none",
    `${HEAD}  - expect: message\n    from: broker\n    clause: "3.1"\n`,
    "6:13",
    /MQTT-3\.1\.2-8/,
  ],
  ["a strange comparison", expecting("where: { seq: { over: 1 } }"), "8:27", /no key over/],
  ["an empty comparison", expecting("where: { seq: {} }"), "8:19", /nothing to compare with/],
  ["a field of no event", expecting("where: { seq: { same: seq } }"), "8:27", /NAME\.field/],
  ["an event not remembered", expecting("where: { seq: { same: a.seq } }"), "8:27", /no step before .* as a/],
  ["a time from nowhere", expecting("after: { event: a, atMost: 1 }"), "8:21", /no step before .* as a/],
  ["a time without bounds", expecting("after: { event: a }"), "8:12", /atLeast or atMost/],
  [
    "a claim by what only the bundled broker tells",
    `${HEAD}  - expect: listening\n    from: broker\n    as: a\n${SUBSCRIBER}  - expect: message\n    from: Sub\n    where: { seq: { same: a.pid } }\n`,
    "11:27",
    /the bundled broker's/,
  ],
  ["a need that nothing meets", expecting("needs: qos2"), "8:12", /starts or remembers qos2/],
  ["an optional step that claims nothing", expecting("optional: true"), "8:15", /only a claim is optional/],
  [
    "a clause that leaves it open",
    expecting("optional: true\n    what: x\n    clause: MQTT-3.1.2-8"),
    "8:15",
    /no clause demands/,
  ],
  [
    "an answer that is no choice",
    `${HEAD}  - predict: what?\n    choices: [a, b]\n    answer: 3\n    because: it is so\n`,
    "6:13",
    /only 2 choices/,
  ],
  ["a clean-up by another program", `${HEAD}  - say: hey\ncleanup: [rm -rf x]\n`, "5:11", /pub-lwt, sub-lwt/],
  [
    "aliases without end",
    `a: &a [${"1,".repeat(9)}]\nb: &b [${"*a,".repeat(9)}]\nc: &c [${"*b,".repeat(9)}]\nd: [${"*c,".repeat(9)}]\n`,
    "1:1",
    /alias/,
  ],
];

for (const [what, text, place, message] of mistakes)
  test(`a lesson file with ${what} is a usage error that says where`, () => {
    assert.throws(
      () => loadLesson(text, "mine.yaml"),
      error => {
        assert.ok(isUserError(error));
        assert.equal(error.exitCode, 2);
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`mine.yaml:${place}: `), error.message);
        return true;
      },
    );
  });

test("a line is not split at U+2028, nor within a character", async () => {
  const bytes = Buffer.from("a\u2028b\n\u{1F600}\nlast");
  async function* oneByOne() {
    for (const byte of bytes) yield Buffer.from([byte]);
  }
  const lines: string[] = [];
  for await (const line of splitLines(oneByOne())) lines.push(line.toString());
  assert.deepEqual(lines, ["a\u2028b", "\u{1F600}", "last"]);
});

test("offline-notification passes, draws what happened in 80 columns, and leaves no process behind", async t => {
  const run = command(t, "lwt-demo", ["offline-notification"]);
  assert.equal(await run.exit(), 0);
  const result = lastResult(run);
  assert.deepEqual([result.passed, result.failed, result.skipped], [true, 0, null]);
  assert.equal(result.held, run.all("expected").filter(({ held }) => held).length);
  assert.deepEqual(
    new Set(run.all("process").map(({ name }) => name)),
    new Set(["broker", "Subscriber1", "Machine1"]),
  );
  const told = run
    .all("status")
    .map(({ state, ...event }) => ({ state, process: String(Reflect.get(event, "process")) }));
  assert.deepEqual(
    told,
    ["online", "offline", "offline", "offline", "online", "stopped"].map(state => ({
      state,
      process: "Subscriber1",
    })),
  );
  assertAllGone(run);

  const text = textOf(run);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  const story = [
    "CONNECT",
    "keeps the will",
    "PUBLISH 3",
    "╳ closes, no DISCONNECT",
    "OFFLINE",
    "will thrown away",
  ];
  let at = 0;
  for (const part of story) {
    const found = text.indexOf(part, at);
    assert.ok(found > 0, `${part} is missing after ${story[story.indexOf(part) - 1]}:\n${text}`);
    at = found;
  }
  assert.match(text, /8 claims held/);
});

test("a claim that doesn't hold ends the lesson with exit code 1, and says what came instead", async t => {
  const wrong =
    "  - expect: subscribed\n    from: Sub\n    where: { grantedQos: 2 }\n    within: 5\n" +
    "    what: the broker grants QoS 2\n    clause: MQTT-3.8.4-6\n";
  const run = demo(t, `${SUBSCRIBER}${wrong}  - say: never said\n`);
  assert.equal(await run.exit(), 1);
  const [claim] = run.all("expected");
  assert.equal(claim?.what, "the broker grants QoS 2");
  assert.equal(claim?.clause, "[MQTT-3.8.4-6]");
  assert.match(
    claim?.instead ?? "",
    /^Sub did not say subscribed \(grantedQos 2\) within 5 s; .*grantedQos 1/,
  );
  assert.deepEqual(run.all("step"), []);
  assert.equal(lastResult(run).failed, 1);
  assertAllGone(run);
});

test("an event that must not come before the marker fails the claim as soon as it comes", async t => {
  const never =
    "  - start: M\n    run: pub-lwt --count 1\n  - expect: status\n    from: Sub\n    within: 60\n" +
    "    where: { state: stopped }\n    never: { event: status, where: { state: online } }\n    what: it only stops\n";
  const run = demo(t, READY + never);
  assert.equal(await run.exit(), 1);
  assert.match(
    run.all("expected").at(-1)?.instead ?? "",
    /^Sub said status \(state "online"\) before status/,
  );
});

test("an expectation finds nothing twice: the order of events can be expected", async t => {
  const reading = (seq: number) =>
    `  - expect: message\n    from: Sub\n    where: { seq: ${seq} }\n    within: 5\n`;
  const run = demo(
    t,
    `${READY}  - start: M\n    run: pub-lwt --count 2 --interval 0.1\n${reading(2)}${reading(1)}`,
  );
  assert.equal(await run.exit(), 1);
  assert.deepEqual(
    run.all("observed").map(({ what }) => what),
    ["broker: listening", "Sub: subscribed", "Sub: message (seq 2)"],
  );
});

/** Three readings for a subscriber that was away, received without an acknowledgment. */
const HELD = `${STORED} --subscribe-only
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
${STORED} --hold-acks -i Subscriber1
  - expect: message
    from: Sub
    where: { seq: { atLeast: 1, atMost: 3 } }
    times: 3
    as: held
    what: all three came
    after: { event: left, atMost: 20 }
  - kill: Sub
${STORED} --count 3 -i Subscriber1
`.replaceAll("\n --", " --");

test("what an earlier process of that name said is not found when it has started again", async t => {
  const again =
    "  - expect: published\n    from: M\n    where: { payload: x }\n    never: { event: summary }\n    what: only the second\n";
  const first = "  - start: M\n    run: pub-lwt --count 1\n  - expect: acknowledged\n    from: M\n";
  const run = demo(t, `${first}  - start: M\n    run: pub-lwt --message x\n${again}`);
  assert.equal(await run.exit(), 0, run.stdout);
});

test("a command is shown as it would be typed", async t => {
  const steps = `  - start: M\n    run: [pub-lwt, --message, two words, --will-payload, ""]\n  - expect: disconnected\n    from: M\n`;
  const run = demo(t, steps);
  assert.equal(await run.exit(), 0);
  const { command: typed } = await run.event("process", { name: "M" });
  assert.match(typed, /^pub-lwt --message "two words" --will-payload "" --broker mqtt:/);
});

test("events are compared, counted, remembered, and the time between them is told", async t => {
  const again =
    "  - expect: message\n    from: Sub\n    where: { dup: true, packetId: { same: held.packetId } }\n    times: 3\n    what: again\n";
  const run = demo(t, HELD + again);
  assert.equal(await run.exit(), 0, run.stdout);
  const [came, same] = run.all("expected");
  assert.ok(came?.seconds && came.seconds > 0 && came.seconds < 20);
  assert.deepEqual([same?.held, same?.seconds], [true, null]);
});

/** The first of three readings is remembered; its packet identifier is 1, as is its QoS. */
const THREE = `${STORED} --count 3
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
  ["one too few", "times: 4", /^Sub ended before it said no\. 4 of 4: message/],
  [
    "a time too late",
    "where: { seq: 3 }\n    after: { event: first, atMost: 0 }",
    /^Sub said message [\d.]+ s after "first".* at most 0 s/,
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
        const run = demo(t, `${THREE}  - expect: message\n    from: Sub\n    ${more}\n    what: again\n`);
        assert.equal(await run.exit(), 1);
        const last = run.all("expected").at(-1);
        assert.equal(last?.held, false);
        assert.match(last?.instead ?? "", says);
      }),
    ),
  );
});

const QUESTION = "  - predict: what comes?\n    choices: [this, that]\n    answer: 2\n    because: it must\n";

test("a prediction is asked for before what follows, and answered when the step is over", async t => {
  const run = demo(t, `${QUESTION}${READY}  - say: next\n`);
  assert.equal(await run.exit(), 0);
  const story = run.events.filter(({ event }) => /^(prediction|observed|revealed|step)$/.test(event));
  assert.deepEqual(
    story.map(({ event }) => event),
    ["observed", "prediction", "observed", "revealed", "step"],
  );
  const { answer, choice, because } = await run.event("revealed");
  assert.deepEqual([answer, choice, because], [2, "that", "it must"]);
  assert.match(
    textOf(run),
    /\? {7}what comes\?\n +1 {2}this\n +2 {2}that\n[^]*SUB[^]*answer {2}2 {2}that\n +it must/,
  );
});

test("one that ends as the lesson says ends no lesson, and one that doesn't does", async t => {
  const nowhere = (exit: string) =>
    `  - start: Sub\n    run: sub-lwt --qso 1\n    exit: ${exit}\n  - start: Sub\n    run: sub-lwt\n`;
  assert.equal(await demo(t, nowhere("2")).exit(), 0);
  const crash =
    "  - start: M\n    run: pub-lwt --fail crash --after 1\n    exit: crash\n  - start: M\n    run: pub-lwt\n";
  assert.equal(await demo(t, crash).exit(), 0);
  const wrong = demo(t, nowhere("1") + FOREVER);
  assert.equal(await wrong.exit(), 1);
  assert.match(wrong.all("expected")[0]?.instead ?? "", /exit code 2/);
});

test("where no Python has paho-mqtt 1.x, what it would show is left out, and that is said", async t => {
  const run = command(t, "lwt-demo", ["the-slide-code"], { env: { PATH: temporaryFolder(t) } });
  assert.equal(await run.exit(), 0, run.stderr);
  const { held, notObserved, passed } = lastResult(run);
  assert.deepEqual([held, notObserved, passed], [4, 5, true]);
  await run.event("warning", { code: "no-paho" });
});

test("a lesson that ends its broker is skipped on another one, says so, and leaves that alone", async t => {
  const { url, process: broker } = await lwtBroker(t);
  for (const steps of ["  - kill: broker\n", "  - start: broker\n    run: lwt-broker --port 0\n"]) {
    const run = demo(t, READY + steps, { args: ["-b", url] });
    assert.equal(await run.exit(), 1);
    const { passed, held, failed, skipped } = lastResult(run);
    assert.deepEqual([passed, held, failed], [false, 0, 0]);
    assert.equal(skipped, "needs-own-broker");
    assert.match(run.all("warning")[0]?.hint ?? "", /without --broker/);
    assert.deepEqual(run.all("process"), []);
  }
  assert.deepEqual(broker.all("client-connected"), []);
  const text = demo(t, READY + "  - stop: broker\n", { args: ["-b", url], json: false });
  assert.equal(await text.exit(), 1);
  assert.match(text.stdout, /^mine: skipped, as its broker has to be its own; 0 claims held$/m);
});

test("a lesson can start its own broker, end it, and start it again", async t => {
  const start = (data: string) =>
    `  - start: broker\n    run: lwt-broker --port 0 --data ${data}\n` +
    "  - expect: listening\n    from: broker\n    within: 10\n";
  const known = (sessionPresent: boolean) =>
    `  - expect: connected\n    from: Sub\n    where: { sessionPresent: ${sessionPresent} }\n    what: it is known\n`;
  const restarted = (data: string) =>
    `${start("one")}${READY}  - stop: Sub\n  - kill: broker\n${start(data)}${SUBSCRIBER}${known(true)}`;
  const run = demo(t, restarted("one"));
  assert.equal(await run.exit(), 0, run.stderr);
  const brokers = run.all("process").filter(({ name }) => name === "broker");
  assert.deepEqual(
    brokers.map(({ command: typed }) => typed),
    ["lwt-broker --port 0 --data one", "lwt-broker --port 0 --data one"],
  );
  const forgetful = demo(t, restarted("another"));
  assert.equal(await forgetful.exit(), 1);
  assert.match(forgetful.all("expected")[0]?.instead ?? "", /sessionPresent/);
});

const MARKER = "  - start: N\n    run: pub-lwt -m marker -i N{x}\n  - expect: message\n    from: Sub\n";

test("a cable that is cut lets nothing pass, and when it is mended what the process has sent meanwhile", async t => {
  const isOut = "    where: { payload: marker }\n    what: the marker comes\n";
  const passes =
    "  - mend: M\n  - expect: message\n    from: Sub\n    where: { seq: { same: sent.seq }, dup: false }\n";
  const sent = "  - expect: published\n    from: M\n    where: { seq: { above: 3 } }\n    as: sent\n";
  const none =
    "  - expect: acknowledged\n    from: M\n    where: { seq: { same: sent.seq } }\n    what: acknowledged\n";
  const run = demo(t, READY + CUT + sent + MARKER + isOut + passes + none);
  assert.equal(await run.exit(), 0, run.stdout);
  assert.deepEqual(
    run.all("link").map(({ process, state }) => ({ process, state })),
    ["cut", "mended"].map(state => ({ process: "M", state })),
  );
  const at = (event: string, state: string) =>
    run.events.findIndex(each => each.event === event && Reflect.get(each, "state") === state);
  const during = run.events.slice(at("link", "cut") + 1, at("link", "mended"));
  const said = during.filter(event => Reflect.get(event, "process") === "M").map(({ event }) => event);
  assert.deepEqual(new Set(said), new Set(["published"]));
  assert.equal(run.all("connected").filter(event => Reflect.get(event, "process") === "M").length, 1);
});

test("a lesson that cuts a cable is skipped on a broker over TLS, and says so", async t => {
  const { port } = await lwtBroker(t);
  const url = `mqtts://localhost:${await tlsRelay(t, port)}`;
  const run = demo(t, READY + CUT, { args: ["-b", url], env: { LWT_CAFILE: certificate("ca") } });
  assert.equal(await run.exit(), 1);
  const { passed, held, failed, skipped } = lastResult(run);
  assert.deepEqual([passed, held, failed], [false, 0, 0]);
  assert.equal(skipped, "needs-plain-tcp");
  assert.match((await run.event("warning", { code: "no-cable" })).hint, /without --broker/);
  assert.deepEqual(run.all("process"), []);
});

test("another broker that can't be used is no claim that did not hold: an error, and nothing else", async t => {
  const port = await freePort();
  const run = command(t, "lwt-demo", ["queued", "--broker", `127.0.0.1:${port}`]);
  assert.equal(await run.exit(), 1);
  assert.deepEqual(
    run.events.map(({ event }) => event),
    ["error"],
  );
  const { code, hint } = await run.event("error");
  assert.deepEqual([code, hint.includes(`--port ${port}`)], ["no-broker", true]);
});

test("an optional claim that does not hold is told, and fails nothing; what needs it is left out", async t => {
  const claim = (qos: number) =>
    `${SUBSCRIBER}  - expect: subscribed\n    from: Sub\n    within: 1\n    where: { grantedQos: ${qos} }\n    what: QoS ${qos}\n    optional: true\n    as: granted\n`;
  const more =
    "  - expect: status\n    from: Sub\n    needs: granted\n    within: 1\n    what: never\n" +
    "  - stop: Sub\n  - expect: summary\n    from: Sub\n    what: it ends\n";
  const open = demo(t, claim(2) + more);
  assert.equal(await open.exit(), 0);
  const [told, end] = open.all("expected");
  assert.deepEqual([told?.held, told?.mandatory, told?.deviation, told?.reason], [false, false, true, null]);
  assert.match(told?.instead ?? "", /grantedQos 1/);
  assert.deepEqual([end?.what, end?.held, end?.mandatory], ["it ends", true, true]);
  const { held, deviations, notObserved, passed } = lastResult(open);
  assert.deepEqual([held, deviations, notObserved, passed], [1, 1, 1, true]);

  const text = textOf(open);
  assert.match(text, / {2}differs QoS 2\n( {10}.*\n)+ {10}MQTT leaves that open\.\n/);
  assert.match(text, /mine passed: 1 claim held, 1 differ/);

  const kept = demo(t, claim(1) + more);
  assert.equal(await kept.exit(), 1);
  assert.equal(kept.all("expected").at(-1)?.what, "never");
});

test("a broken broker URL is a wrong use that does not repeat its password", async t => {
  const run = demo(t, READY, { args: ["-b", "mqtt://a:s3cret@h:99999"] });
  assert.equal(await run.exit(), 2);
  assert.doesNotMatch(run.stdout + run.stderr, /s3cret/);
});

test("a broker killed in the middle ends the lesson at once, with exit code 1 and a clear line", async t => {
  const run = demo(t, READY + FOREVER);
  const { pid } = await run.event("listening");
  await run.event("observed", { what: "Sub: subscribed" });
  process.kill(pid, "SIGKILL");
  assert.equal(await run.exit(), 1);
  const claim = run.all("expected").at(-1);
  assert.equal(claim?.what, "a status comes");
  assert.equal(claim?.instead, `broker (lwt-broker, pid ${pid}) was killed by SIGKILL`);
  assert.equal(lastResult(run).passed, false);
  assertAllGone(run);
});

test("the line about a killed broker is there in text, and with --quiet too", async t => {
  for (const args of [[], ["--quiet"]]) {
    const steps = "  - kill: broker\n  - start: Sub\n    run: sub-lwt --connect-timeout 0.2\n";
    const run = demo(t, `${steps}${FOREVER}`, { args, json: false });
    assert.equal(await run.exit(), 1);
    assert.match(run.stdout, /FAILED {2}a status comes\n +Sub \(sub-lwt, pid \d+\) ended with exit code 1/);
  }
});

test("a command that is used wrongly says so through the lesson", async t => {
  const run = demo(t, `  - start: Sub\n    run: sub-lwt --qso 1\n${FOREVER}`);
  assert.equal(await run.exit(), 1);
  assert.match(run.all("expected").at(-1)?.instead ?? "", /exit code 2: .*no option --qso/);
});

test("an expectation of a process that has ended is not waited for", async t => {
  const run = demo(t, `${READY}  - stop: Sub\n${FOREVER}`);
  assert.equal(await run.exit(), 1);
  assert.match(run.all("expected").at(-1)?.instead ?? "", /^Sub ended before it said status; .*summary/);
});

test("Ctrl-C while a process of a lesson is connecting blames no broker", async t => {
  const run = command(t, "lwt-demo", ["queued"]);
  await run.event("process", { name: "Subscriber1" });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  assert.deepEqual(run.all("error"), []);
  assert.equal(run.stderr, "");
});

test("Ctrl-C leaves a lesson with 130, and none of its processes behind", async t => {
  const folder = temporaryFolder(t);
  const run = demo(t, READY + FOREVER, { folder });
  await run.event("observed", { what: "Sub: subscribed" });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  assert.deepEqual(readdirSync(folder), ["mine.yaml"]);
  const { passed, skipped } = lastResult(run);
  assert.deepEqual([passed, skipped], [false, "interrupted"]);
  assertAllGone(run);
});

test("the processes end when lwt-demo is killed", async t => {
  const run = demo(t, READY + FOREVER);
  const { url } = await run.event("listening");
  await run.event("observed", { what: "Sub: subscribed" });
  const socket = connect(Number(new URL(url).port), "127.0.0.1")
    .resume()
    .setTimeout(10_000);
  await once(socket, "connect");
  run.child.kill("SIGKILL");
  // The socket has a timeout of its own, which fails the test: once() rejects on `error`.
  socket.on("timeout", () => socket.destroy(new Error("the broker outlived lwt-demo by 10 s")));
  await once(socket, "close");
});

test("a lesson whose terminal is closed leaves no process and no folder behind", {
  skip: process.platform === "win32" && "there is no SIGHUP",
}, async t => {
  const folder = temporaryFolder(t);
  const run = command(t, "lwt-demo", ["queued"], { env: { TMPDIR: folder } });
  await run.event("connected", { process: "Subscriber1" });
  assert.equal(readdirSync(folder).length, 1);
  run.child.kill("SIGHUP");
  assert.equal(await run.exit(), 130);
  assert.deepEqual(readdirSync(folder), []);
  for (const { pid } of run.all("process")) assert.throws(() => process.kill(pid, 0), /ESRCH/);
});

test("the settings in the environment have no say in a lesson", async t => {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, "mine.yaml"), HEAD + READY);
  writeFileSync(path.join(folder, ".env"), "LWT_BROKER=mqtt://127.0.0.1:1\n");
  const env = { LWT_BROKER: "mqtt://127.0.0.1:1", SUB_LWT_TOPIC: "nothing" };
  const run = command(t, "lwt-demo", ["./mine.yaml"], { cwd: folder, env });
  assert.equal(await run.exit(), 0);
  assert.ok(run.all("subscribed").some(({ topicFilter }) => topicFilter === "sensors/lastwill"));
});

const wrongUses: [args: string[], message: RegExp][] = [
  [[], /which lesson\?/],
  [["offlin-notification"], /Did you mean offline-notification\?/],
  [["./absent.yaml"], /no such file/],
  [["list", "--qiet"], /Did you mean --quiet\?/],
];
test("lwt-demo, used wrongly, says so", async t => {
  const runs = await ends(
    t,
    wrongUses.map(([args]) => ({ name: "lwt-demo", args })),
  );
  for (const [i, [args, message]] of wrongUses.entries()) {
    const { exit, stdout, stderr } = runs[i] ?? assert.fail();
    assert.equal(exit, 2, args.join(" "));
    assert.match(stderr.replaceAll(/\s+/g, " "), message);
    assert.equal(stdout, "");
  }
});

test("lessons hold on Mosquitto, over TCP and over WebSocket", {
  skip: missing("mosquitto", ["-h"]),
}, async t => {
  const { url, wsPort } = await mosquitto(t);
  const runs: [lesson: string, broker: string][] = [
    ["the-slide-code", url],
    ["queued", `ws://127.0.0.1:${wsPort}/mqtt`],
  ];
  for (const [lesson, broker] of runs) {
    const run = command(t, "lwt-demo", [lesson, "--broker", broker]);
    assert.equal(await run.exit(), 0, run.stdout);
    assert.ok(lastResult(run).held > 0);
    const withoutPaho = run.all("warning").some(({ code }) => code === "no-paho");
    assert.equal(withoutPaho, lesson === "the-slide-code" && noPaho !== false);
  }
});

const LISTS = new Set(["index.yaml", "deviations.yaml"]);

test("the list of lessons has every lesson, by the name in its file", async () => {
  const names = await lessonNames(lessonsDir);
  const files = readdirSync(lessonsDir).filter(file => file.endsWith(".yaml") && !LISTS.has(file));
  assert.deepEqual(names.toSorted(), files.map(file => path.basename(file, ".yaml")).toSorted());
  for (const name of names) {
    const file = path.join(lessonsDir, `${name}.yaml`);
    assert.equal((await lessonFromFile(file)).name, name);
    assert.match(readFileSync(file, "utf8"), /^# yaml-language-server: \$schema=lesson\.schema\.json\n/);
  }
});

test("lwt-demo list shows every lesson with its claims", async t => {
  const run = command(t, "lwt-demo", ["list"], { json: false });
  assert.equal(await run.exit(), 0);
  assert.match(run.stdout, /^offline-notification +S10 S12 +\S/m);
  assert.doesNotMatch(run.stdout, /…/, "a title is too long for 80 columns");
});
