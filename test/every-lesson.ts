// Runs every lesson; a file a broker does, since a file has a minute and a half.
import assert from "node:assert/strict";
import path from "node:path";
import type { TestContext } from "node:test";
import { lessonNames } from "../src/lessons/catalogue.js";
import { NO_MQTT_5, NOT_ITS_BROKER } from "../src/events.js";
import { command } from "./processes.js";

/** Lessons wait more than they work. */
const SIDE_BY_SIDE = 4;

export const names = await lessonNames(path.join(import.meta.dirname, "..", "examples", "lessons"));

/** Kill their broker: on another one they are skipped. */
export const NEED_THEIR_BROKER = new Set(["broker-restart"]);

/** Skipped on a broker that does not speak it, such as the bundled one. */
export const NEED_MQTT_5 = new Set(["session-expiry"]);

/** @param deviations how many of its claims this broker is known to break */
export async function passes(
  t: TestContext,
  name: string,
  args: string[] = [],
  deviations = 0,
): Promise<void> {
  const run = command(t, "lwt-demo", [name, ...args]);
  const result = await run.event("result");
  assert.equal(await run.exit(), 0, JSON.stringify(run.all("expected").at(-1)));
  assert.deepEqual([result.lesson, result.passed, result.failed], [name, true, 0]);
  assert.equal(result.deviations, deviations);
  assert.ok(result.held > 0);
  assert.deepEqual(
    run.all("warning").filter(({ code }) => code === "not-cleaned-up"),
    [],
  );
}

async function isSkipped(t: TestContext, name: string, args: string[], why: string): Promise<void> {
  const run = command(t, "lwt-demo", [name, ...args]);
  assert.equal(await run.exit(), 1);
  const { passed, held, failed, skipped } = await run.event("result");
  assert.deepEqual([passed, held, failed, skipped], [false, 0, 0, why]);
}

/** Several at a time. */
export const eachPasses = (
  t: TestContext,
  args: string[] = [],
  deviations: Record<string, number> = {},
): Promise<void> =>
  t.test("every lesson", { concurrency: SIDE_BY_SIDE }, async t => {
    await Promise.all(
      names.map(name =>
        t.test(name, t => {
          const isBundled = !args.includes("--broker");
          if (!isBundled && NEED_THEIR_BROKER.has(name)) return isSkipped(t, name, args, NOT_ITS_BROKER);
          if (isBundled && NEED_MQTT_5.has(name)) return isSkipped(t, name, args, NO_MQTT_5);
          return passes(t, name, args, deviations[name]);
        }),
      ),
    );
  });
