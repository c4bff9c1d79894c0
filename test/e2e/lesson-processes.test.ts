import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import {
  assertAllEnded,
  PUBLISHER_CUT,
  runSteps,
  WAIT_FOR_NOTHING,
  lastResult,
  SUBSCRIBED,
  SUBSCRIBER,
} from "../support/own-lessons.js";
import { command, lwtBroker, temporaryFolder } from "../support/processes.js";
import { certificate, tlsRelay } from "../support/servers.js";

test("a lesson goes on after an exit that it allows, and fails after any other", async t => {
  const nowhere = (exit: string) =>
    `  - start: Sub\n    run: sub-lwt --qso 1\n    exit: ${exit}\n  - start: Sub\n    run: sub-lwt\n`;
  assert.equal(await runSteps(t, nowhere("2")).exit(), 0);
  const crash =
    "  - start: M\n    run: pub-lwt --fail crash --after 1\n    exit: crash\n  - start: M\n    run: pub-lwt\n";
  assert.equal(await runSteps(t, crash).exit(), 0);
  const wrong = runSteps(t, nowhere("1") + WAIT_FOR_NOTHING);
  assert.equal(await wrong.exit(), 1);
  assert.match(wrong.all("expected")[0]?.instead ?? "", /exit code 2/);
});

test("a lesson that ends its broker is skipped on an external broker, and does not connect to it", async t => {
  const { url, process: broker } = await lwtBroker(t);
  for (const steps of ["  - kill: broker\n", "  - start: broker\n    run: lwt-broker --port 0\n"]) {
    const run = runSteps(t, SUBSCRIBED + steps, { args: ["-b", url] });
    assert.equal(await run.exit(), 1);
    const { passed, held, failed, skipped } = lastResult(run);
    assert.deepEqual([passed, held, failed], [false, 0, 0]);
    assert.equal(skipped, "needs-own-broker");
    assert.match(run.all("warning")[0]?.hint ?? "", /without --broker/);
    assert.deepEqual(run.all("process"), []);
  }
  assert.deepEqual(broker.all("client-connected"), []);
  const text = runSteps(t, SUBSCRIBED + "  - stop: broker\n", { args: ["-b", url], json: false });
  assert.equal(await text.exit(), 1);
  assert.match(text.stdout, /^mine: skipped, as it stops and starts its own broker; 0 claims held$/m);
});

test("a lesson can start, kill and restart its own broker", async t => {
  const start = (data: string) =>
    `  - start: broker\n    run: lwt-broker --port 0 --data ${data}\n` +
    "  - expect: listening\n    from: broker\n    within: 10\n";
  const known = (sessionPresent: boolean) =>
    `  - expect: connected\n    from: Sub\n    where: { sessionPresent: ${sessionPresent} }\n    what: it is known\n`;
  const restarted = (data: string) =>
    `${start("one")}${SUBSCRIBED}  - stop: Sub\n  - kill: broker\n${start(data)}${SUBSCRIBER}${known(true)}`;
  const run = runSteps(t, restarted("one"));
  assert.equal(await run.exit(), 0, run.stderr);
  const brokers = run.all("process").filter(({ name }) => name === "broker");
  assert.deepEqual(
    brokers.map(({ command: typed }) => typed),
    ["lwt-broker --port 0 --data one", "lwt-broker --port 0 --data one"],
  );
  const forgetful = runSteps(t, restarted("another"));
  assert.equal(await forgetful.exit(), 1);
  assert.match(forgetful.all("expected")[0]?.instead ?? "", /sessionPresent/);
});

const MARKER = "  - start: N\n    run: pub-lwt -m marker -i N{x}\n  - expect: message\n    from: Sub\n";

test("while a link is cut no data passes, and after mend the data sent in between", async t => {
  const isOut = "    where: { payload: marker }\n    what: the marker comes\n";
  const passes =
    "  - mend: M\n  - expect: message\n    from: Sub\n    where: { seq: { same: sent.seq }, dup: false }\n";
  const sent = "  - expect: published\n    from: M\n    where: { seq: { above: 3 } }\n    as: sent\n";
  const none =
    "  - expect: acknowledged\n    from: M\n    where: { seq: { same: sent.seq } }\n    what: acknowledged\n";
  const run = runSteps(t, SUBSCRIBED + PUBLISHER_CUT + sent + MARKER + isOut + passes + none);
  assert.equal(await run.exit(), 0, run.stdout);
  assert.deepEqual(
    run.all("link").map(({ process, state }) => ({ process, state })),
    ["cut", "mended"].map(state => ({ process: "M", state })),
  );
  const at = (event: string, state: string) =>
    run.events.findIndex(each => each.event === event && Reflect.get(each, "state") === state);
  const during = run.events.slice(at("link", "cut") + 1, at("link", "mended"));
  const published = during.filter(event => Reflect.get(event, "process") === "M").map(({ event }) => event);
  assert.deepEqual(new Set(published), new Set(["published"]));
  assert.equal(run.all("connected").filter(event => Reflect.get(event, "process") === "M").length, 1);
});

test("a lesson that cuts a link is skipped on a broker over TLS", async t => {
  const { port } = await lwtBroker(t);
  const url = `mqtts://localhost:${await tlsRelay(t, port)}`;
  const run = runSteps(t, SUBSCRIBED + PUBLISHER_CUT, {
    args: ["-b", url],
    env: { LWT_CAFILE: certificate("ca") },
  });
  assert.equal(await run.exit(), 1);
  const { passed, held, failed, skipped } = lastResult(run);
  assert.deepEqual([passed, held, failed], [false, 0, 0]);
  assert.equal(skipped, "needs-plain-tcp");
  assert.match((await run.event("warning", { code: "no-cable" })).hint, /without --broker/);
  assert.deepEqual(run.all("process"), []);
});

test("a broker killed in the middle ends the lesson at once, with exit code 1 and its exit message", async t => {
  const run = runSteps(t, SUBSCRIBED + WAIT_FOR_NOTHING);
  const { pid } = await run.event("listening");
  await run.event("observed", { what: "Sub: subscribed" });
  process.kill(pid, "SIGKILL");
  assert.equal(await run.exit(), 1);
  const claim = run.all("expected").at(-1);
  assert.equal(claim?.what, "a status comes");
  assert.equal(claim?.instead, `broker (lwt-broker, pid ${pid}) was killed by SIGKILL`);
  assert.equal(lastResult(run).passed, false);
  assertAllEnded(run);
});

test("text shows the exit of a process, with --quiet too", async t => {
  for (const args of [[], ["--quiet"]]) {
    const steps = "  - kill: broker\n  - start: Sub\n    run: sub-lwt --connect-timeout 0.2\n";
    const run = runSteps(t, `${steps}${WAIT_FOR_NOTHING}`, { args, json: false });
    assert.equal(await run.exit(), 1);
    assert.match(run.stdout, /FAILED {2}a status comes\n +Sub \(sub-lwt, pid \d+\) ended with exit code 1/);
  }
});

test("Ctrl-C while a process connects reports no error", async t => {
  const run = command(t, "lwt-demo", ["queued"]);
  await run.event("process", { name: "Subscriber1" });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  assert.deepEqual(run.all("error"), []);
  assert.equal(run.stderr, "");
});

test("Ctrl-C ends a lesson with 130, and all of its processes", async t => {
  const folder = temporaryFolder(t);
  const run = runSteps(t, SUBSCRIBED + WAIT_FOR_NOTHING, { folder });
  await run.event("observed", { what: "Sub: subscribed" });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  assert.deepEqual(readdirSync(folder), ["mine.yaml"]);
  const { passed, skipped } = lastResult(run);
  assert.deepEqual([passed, skipped], [false, "interrupted"]);
  assertAllEnded(run);
});

test("the processes end when lwt-demo is killed", async t => {
  const run = runSteps(t, SUBSCRIBED + WAIT_FOR_NOTHING);
  const { url } = await run.event("listening");
  await run.event("observed", { what: "Sub: subscribed" });
  const socket = connect(Number(new URL(url).port), "127.0.0.1")
    .resume()
    .setTimeout(10_000);
  await once(socket, "connect");
  run.child.kill("SIGKILL");
  // A timeout of the socket fails the test, because once() rejects on `error`.
  socket.on("timeout", () => socket.destroy(new Error("the broker outlived lwt-demo by 10 s")));
  await once(socket, "close");
});

test("a lesson whose terminal closes leaves no process and no folder", {
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
