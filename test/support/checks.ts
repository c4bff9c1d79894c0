// Runs `lwt-demo check`; a file a broker does, since each takes a minute.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { lessonNames } from "../../src/lessons/catalogue.js";
import { command, noPaho, type Running } from "./processes.js";
import { lessonsDir } from "./paths.js";

export const names = await lessonNames(lessonsDir);

/** Kill their broker: on another one they are skipped. */
export const NEED_THEIR_BROKER = ["broker-restart"];
/** Run on several that share sessions: on one they are skipped. */
export const NEED_OTHER_BROKERS = ["cluster-failover"];
/** Skipped on a broker that does not speak it, such as the bundled one. */
export const NEED_MQTT_5 = ["session-expiry"];

/**
 * The check skips these lessons, and of the others finds of this broker what examples/lessons/deviations.yaml says, nothing more and nothing less.
 * @param args --broker for another broker than a bundled one for each lesson
 */
export async function findsWhatIsKnown(t: TestContext, skips: string[], args: string[]): Promise<Running> {
  const run = command(t, "lwt-demo", ["check", ...args]);
  const { code } = await run.ended;
  const [checking] = run.all("checking");
  const checked = run.all("checked");
  const verdict = run.all("check")[0];
  assert.ok(checking && verdict, run.stderr);
  assert.deepEqual(checking.lessons, names);
  assert.deepEqual(checked.map(({ lesson }) => lesson).toSorted(), names.toSorted());

  const outside = args.includes("--broker");
  const skipped = checked.filter(({ outcome }) => outcome === "skipped");
  assert.deepEqual(skipped.map(({ lesson }) => lesson).toSorted(), skips.toSorted());
  for (const { lesson, held, notObserved, outcome } of checked) {
    if (outcome === "held") assert.ok(held > 0, lesson);
    if (!outside && !noPaho) assert.equal(notObserved, 0, lesson);
  }

  const deviations = checked.flatMap(({ lesson, deviations: each }) => each.map(one => ({ lesson, ...one })));
  assert.deepEqual(
    deviations.filter(({ reason }) => reason === null),
    [],
    "not known of this broker",
  );
  assert.deepEqual(verdict.unexpectedlyHeld, [], "known of this broker, and held");
  assert.equal(deviations.length, checking.knownDeviations, JSON.stringify(deviations));

  const broken = deviations.filter(({ mandatory }) => mandatory).length;
  assert.deepEqual([verdict.broken, verdict.knownBroken, verdict.passed], [broken, broken, broken === 0]);
  assert.equal(code, broken === 0 ? 0 : 1);
  assert.deepEqual(
    run.all("warning").filter(({ code: which }) => which === "not-cleaned-up"),
    [],
  );
  return run;
}
