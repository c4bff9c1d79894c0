import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import type { CheckEvent } from "../../src/events/events.js";
import { builtInLesson, checkBroker, Claims, KnownBrokers } from "../../src/lessons/lessons.js";
import { CheckReport } from "../../src/render/check-report.js";
import { brokenBroker } from "../support/broken-broker.js";
import { command, ends, freePort, lwtBroker } from "../support/processes.js";
import { binDir, lessonsDir } from "../support/paths.js";

const wrongUses: [args: string[], message: RegExp][] = [
  [["check", "--step"], /--step needs one lesson/],
  [["check", "--transcript", "x"], /--transcript needs one lesson/],
  [["queued", "--report", "x"], /--report needs lwt-demo check/],
  [["queued", "--connectivity"], /--connectivity needs lwt-demo check.*lwt-demo check --connectivity/],
  [["check", "--connectivity", "--report", "x"], /--report has no effect with --connectivity/],
  [["check", "--step"], /--step needs one lesson\. Name a lesson: lwt-demo queued --step/],
  [["run", "queued"], /unexpected argument "queued"\. Name one lesson: lwt-demo queued/],
  [["check", "--as", "mosquitto-2.0"], /--as needs --broker/],
  [["check", "--on-disk", "-b", "h"], /--on-disk needs the bundled broker/],
  [
    ["check", "--as", "mosquito-2.0", "-b", "h"],
    /no deviations of such a broker are known.*mosquitto-2\.0, rabbitmq-3\.10/,
  ],
  [["queued", "--as", "rabbitmq", "-b", "h"], /no deviations of such a broker are known/],
  [["check", "-b", "h h"], /--broker needs/],
  [["check", "-b", "h,"], /--broker needs/],
  [["check", "-b", "h,mqtt://h"], /--broker names mqtt:\/\/h:1883 twice/],
  [
    ["queued", "-b", "mqtt://u:a@h,mqtt://u:b@i"],
    /different user names or passwords.*LWT_USERNAME and LWT_PASSWORD/,
  ],
  [["queued", "-b", "mqtt://u:a@h,i"], /different user names or passwords/],
  [["check", "--connectivity", "-b", "h,i"], /--connectivity tries one broker/],
  [["chekc"], /there is no lesson chekc\. Did you mean check\?/],
];
test("the check reports wrong uses and starts nothing", async t => {
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

test("the check ends with an error if it can't reach the broker or write its report", async t => {
  const there = ["check", "--broker", `127.0.0.1:${await freePort()}`];
  const run = command(t, "lwt-demo", there);
  assert.equal(await run.exit(), 1);
  assert.deepEqual(
    run.events.map(({ event }) => event),
    ["error"],
  );
  assert.equal(run.all("error")[0]?.code, "no-broker");
  const unwritten = command(t, "lwt-demo", ["check", "--report", path.join("no", "such", "folder.md")]);
  assert.equal(await unwritten.exit(), 1);
  assert.match(
    (await unwritten.event("error")).message,
    /cannot write the report .*: its folder does not exist/,
  );
});

test("the check reports deviations that are not listed, and listed ones that it did not find", async t => {
  const { port } = await lwtBroker(t);
  const url = `mqtt://127.0.0.1:${await brokenBroker(t, port, "discards wills")}`;
  const lessons = await Promise.all(
    ["one-will-topic", "queued", "client-id"].map(name => builtInLesson(lessonsDir, name)),
  );
  const events: CheckEvent[] = [];
  const report = new CheckReport();
  const verdict = await checkBroker(
    {
      binDir,
      lessons,
      external: { broker: url, environment: {} },
      onDisk: false,
      product: { name: "mosquitto", version: "2.0.1" },
      knownBrokers: await KnownBrokers.load(lessonsDir),
      slideClaims: await Claims.load(lessonsDir),
      signal: new AbortController().signal,
    },
    event => {
      events.push(event);
      report.add({ time: "2026-03-01T14:03:05.000Z", ...event });
    },
  );
  const { passed, held, deviates, broken, knownBroken } = verdict;
  assert.deepEqual([passed, held, deviates, broken, knownBroken], [false, 1, 2, 2, 1]);
  const checked = events.filter(event => event.event === "checked");
  const [unknown] = checked.find(({ lesson }) => lesson === "one-will-topic")?.deviations ?? [];
  assert.deepEqual([unknown?.reason, unknown?.mandatory, unknown?.clause], [null, true, "[MQTT-3.1.2-8]"]);
  assert.match(report.text(), /^- S9: The will is set before connecting/m);
  assert.match(report.text(), /\| `one-will-topic` \| .* \| \*\*not known before\*\* \|\n/);
  assert.match(report.text(), /\n\| `queued` \| S3 \| held \| 3\.2\.2-3/);
});

test("with --quiet the check shows no progress, only lessons that did not hold and the verdict", async t => {
  const run = command(t, "lwt-demo", ["check", "--quiet"], { json: false });
  run.child.send("stop");
  assert.equal(await run.exit(), 130);
  assert.equal(run.stderr, "");
  assert.match(run.stdout, /^lesson +claims +result/);
  assert.match(run.stdout, /^session-expiry +S3 S6 S10 +skipped +interrupted$/m);
  assert.match(run.stdout, /: 0 held, 0 deviate, \d+ skipped; stopped before the end\n$/);
});

test("each listed deviation names a claim of its lesson and the clause of the claim", async () => {
  const brokers = await KnownBrokers.load(lessonsDir);
  for (const name of ["mosquitto-2.0", "rabbitmq-3.10"])
    for (const { lesson, claim, clause } of brokers.deviationsOf(brokers.productNamed(name))) {
      const { steps } = await builtInLesson(lessonsDir, lesson);
      const step = steps.find(each => each.kind === "expect" && each.what === claim);
      assert.ok(step?.kind === "expect", `${lesson}: ${claim}`);
      assert.deepEqual([step.clause, step.optional], [clause, clause === undefined], `${lesson}: ${claim}`);
    }
  const of = (name: string, version: string) => brokers.deviationsOf({ name, version }).length > 0;
  assert.deepEqual(
    [
      of("mosquitto", "2.0.11"),
      of("mosquitto", "2.0"),
      of("mosquitto", "2.01"),
      of("mosquitto", "2.1"),
      of("emqx", "2.0"),
    ],
    [true, true, false, false, false],
  );
});
