// Runs `lwt-demo check`. Each broker has a test file of its own, because a check takes a minute.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { lessonNames } from "../../src/lessons/catalogue.js";
import { command, noPaho, type Running } from "./processes.js";
import { lessonsDir } from "./paths.js";

export const lessons = await lessonNames(lessonsDir);

/** Skipped on an external broker, because they kill their broker. */
export const NEEDS_OWN_BROKER = ["broker-restart"];
/** Skipped on a single broker, because they need several that share sessions. */
export const NEEDS_BROKER_LIST = ["cluster-failover"];
/** Skipped on a broker without MQTT 5, such as the bundled one. */
export const NEEDS_MQTT5 = ["session-expiry"];

/**
 * Asserts that the check skips these lessons, and that it finds exactly the deviations that
 * examples/lessons/deviations.yaml lists for the broker.
 * @param args --broker for an external broker
 */
export async function assertKnownDeviationsOnly(
  t: TestContext,
  expectedSkips: string[],
  args: string[],
): Promise<Running> {
  const run = command(t, "lwt-demo", ["check", ...args]);
  const { code } = await run.ended;
  const [checking] = run.all("checking");
  const checked = run.all("checked");
  const verdict = run.all("check")[0];
  assert.ok(checking && verdict, run.stderr);
  assert.deepEqual(checking.lessons, lessons);
  assert.deepEqual(checked.map(({ lesson }) => lesson).toSorted(), lessons.toSorted());

  const isExternal = args.includes("--broker");
  const skipped = checked.filter(({ outcome }) => outcome === "skipped");
  assert.deepEqual(skipped.map(({ lesson }) => lesson).toSorted(), expectedSkips.toSorted());
  for (const { lesson, held, notObserved, outcome } of checked) {
    if (outcome === "held") assert.ok(held > 0, lesson);
    if (!isExternal && !noPaho) assert.equal(notObserved, 0, lesson);
  }

  const deviations = checked.flatMap(({ lesson, deviations: found }) =>
    found.map(each => ({ lesson, ...each })),
  );
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
