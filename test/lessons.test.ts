import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { isUserError } from "../src/errors.js";
import { linesOf } from "../src/lines.js";
import { loadLesson } from "../src/lessons/load.js";
import { command, type Running, temporaryFolder } from "./processes.js";

const HEAD = "name: mine\ntitle: my own\nsteps:\n";
const SUBSCRIBER = "  - start: Sub\n    run: sub-lwt\n";
const READY = `${SUBSCRIBER}  - expect: subscribed\n    from: Sub\n`;
/** Waits for what never comes, so that a test can interfere. */
const FOREVER = "  - expect: status\n    from: Sub\n    within: 60\n    what: a status comes\n";

/** lwt-demo with a lesson of these steps; what it leaves in its temporary folder goes with the test. */
function demo(
  t: TestContext,
  steps: string,
  { args = [] as string[], json = true, folder = temporaryFolder(t) } = {},
): Running {
  writeFileSync(path.join(folder, "mine.yaml"), HEAD + steps);
  return command(t, "lwt-demo", ["./mine.yaml", ...args], { cwd: folder, env: { TMPDIR: folder }, json });
}

function assertAllGone(run: Running): void {
  const processes = run.all("process");
  assert.ok(processes.length > 0);
  for (const { name, pid } of processes)
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, `${name} is still there`);
}

function lastResult(run: Running) {
  const last = run.events.at(-1);
  assert.equal(last?.event, "result");
  return last;
}

const mistakes: [what: string, text: string, place: string, message: RegExp][] = [
  ["broken YAML", "name: [a", "1:9", /Flow sequence/],
  ["an empty file", "", "1:1", /must be object/],
  ["no title", "name: a\nsteps: []\n", "1:1", /title: this is missing/],
  ["a step of no kind", `${HEAD}  - shout: hey\n`, "4:5", /one of the keys say, start, stop, kill, expect/],
  ["a text that is none", `${HEAD}  - say: 1\n`, "4:10", /say: this must be string/],
  ["a strange command", `${HEAD}  - start: A\n    run: rm -rf\n`, "5:10", /pub-lwt, sub-lwt, lwt-broker/],
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
  ["no process", `${HEAD}  - expect: message\n`, "4:5", /from: this is missing/],
  [
    "a clause that is none",
    `${HEAD}  - expect: message\n    from: broker\n    clause: "3.1"\n`,
    "6:13",
    /MQTT-3\.1\.2-8/,
  ],
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
  for await (const line of linesOf(oneByOne())) lines.push(line.toString());
  assert.deepEqual(lines, ["a\u2028b", "\u{1F600}", "last"]);
});

test("offline-notification passes, tells of its processes, and leaves none behind", async t => {
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
    ["online", "offline", "online", "stopped"].map(state => ({ state, process: "Subscriber1" })),
  );
  assertAllGone(run);
});

test("offline-notification draws what happened in 80 columns", async t => {
  const run = command(t, "lwt-demo", ["offline-notification"], { json: false });
  assert.equal(await run.exit(), 0);
  for (const line of run.stdout.split("\n")) assert.ok(line.length <= 80, line);
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
    const found = run.stdout.indexOf(part, at);
    assert.ok(found > 0, `${part} is missing after ${story[story.indexOf(part) - 1]}:\n${run.stdout}`);
    at = found;
  }
  assert.match(run.stdout, /7 claims held/);
});

test("a claim that doesn't hold ends the lesson with exit code 1, and says what came instead", async t => {
  const wrong =
    "  - expect: subscribed\n    from: Sub\n    where: { grantedQos: 2 }\n    within: 1\n" +
    "    what: the broker grants QoS 2\n    clause: MQTT-3.8.4-6\n";
  const run = demo(t, `${SUBSCRIBER}${wrong}  - say: never said\n`);
  assert.equal(await run.exit(), 1);
  const [claim] = run.all("expected");
  assert.equal(claim?.what, "the broker grants QoS 2");
  assert.equal(claim?.clause, "[MQTT-3.8.4-6]");
  assert.match(
    claim?.instead ?? "",
    /^Sub did not say subscribed \(grantedQos 2\) within 1 s; .*grantedQos 1/,
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
    `  - expect: message\n    from: Sub\n    where: { seq: ${seq} }\n    within: 2\n`;
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
for (const [args, message] of wrongUses)
  test(`lwt-demo ${args.join(" ")} is a wrong use`, async t => {
    const run = command(t, "lwt-demo", args, { json: false });
    assert.equal(await run.exit(), 2);
    assert.match(run.stderr.replaceAll(/\s+/g, " "), message);
    assert.equal(run.stdout, "");
  });

test("lwt-demo list shows every lesson with its claims", async t => {
  const run = command(t, "lwt-demo", ["list"], { json: false });
  assert.equal(await run.exit(), 0);
  assert.match(run.stdout, /^offline-notification +S10 S12 +\S/m);
});
