import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { ExitCode } from "../util/errors.js";
import type { CheckEvent, Sink } from "../events/events.js";
import type { demoOptions } from "../config/options/demo-options.js";
import type { Values } from "../config/options/option.js";
import { connectivityTarget, outsideBroker } from "../config/settings/demo-settings.js";
import type { Variables } from "../config/settings/merge-sources.js";
import { BIN_DIR, LESSONS_DIR } from "./paths.js";
import { openTextFile } from "./writable-file.js";

type Given = Values<typeof demoOptions>;

/** What a check is started with, once it is known to be used rightly. */
type Start = (sink: Sink<CheckEvent>, signal: AbortSignal) => Promise<ExitCode>;

/** @throws UserError exit code 2 */
export async function runCheck(given: Given, variables: Variables): Promise<Start> {
  return given.connectivity ? connectivityOf(given, variables) : lessonsOf(given, variables);
}

/** A public broker is meant to be reached by everyone. */
const FOR_EVERYONE = "hivemq";

function connectivityOf({ broker }: Given, variables: Variables): Start {
  const { outside, named } = connectivityTarget(broker ?? FOR_EVERYONE, variables);
  return async (sink, signal) => {
    const { checkConnectivity } = await import("../lessons/lessons.js");
    const folder = await mkdtemp(path.join(tmpdir(), "lwt-check-"));
    try {
      const { options } = await checkConnectivity(outside, named, { binDir: BIN_DIR, folder, signal }, sink);
      if (signal.aborted) return ExitCode.leftEarly;
      return options === null ? ExitCode.failed : ExitCode.done;
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  };
}

async function lessonsOf(given: Given, variables: Variables): Promise<Start> {
  const { builtInLesson, checkBroker, KnownBrokers, lessonNames } = await import("../lessons/lessons.js");
  const outside = given.broker === null ? null : outsideBroker(given.broker, variables);
  const knownBrokers = await KnownBrokers.load(LESSONS_DIR);
  const product =
    given.as !== null
      ? knownBrokers.productNamed(given.as)
      : outside
        ? null
        : { name: "lwt-broker", version: packageJson.version };
  const names = await lessonNames(LESSONS_DIR);
  const lessons = await Promise.all(names.map(name => builtInLesson(LESSONS_DIR, name)));
  const common = {
    binDir: BIN_DIR,
    lessons,
    external: outside,
    onDisk: given["on-disk"],
    product,
    knownBrokers,
  };
  const check: Start = async (sink, signal) => {
    const { passed, interrupted } = await checkBroker({ ...common, signal }, sink);
    return interrupted ? ExitCode.leftEarly : passed ? ExitCode.done : ExitCode.failed;
  };
  const { report } = given;
  return report === null ? check : reporting(report, check);
}

/** Writes a report of what is found to that file, also of a check that is left. */
const reporting =
  (file: string, check: Start): Start =>
  async (sink, signal) => {
    const { CheckReport } = await import("../render/check-report.js");
    const write = await openTextFile(file, "report", "--report check.md");
    const report = new CheckReport();
    try {
      return await check(event => {
        report.add({ time: new Date().toISOString(), ...event });
        return sink(event);
      }, signal);
    } finally {
      await write(report.text());
    }
  };
