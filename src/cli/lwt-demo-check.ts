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
import { checkText } from "../render/check-text.js";
import type { Renderer } from "../render/renderer.js";
import { BIN_DIR, LESSONS_DIR } from "./paths.js";
import type { CommandContext } from "./run-command.js";
import type { Job } from "./run-job.js";
import { writeDocument } from "./writable-file.js";

type DemoValues = Values<typeof demoOptions>;
type Check = (sink: Sink<CheckEvent>, signal: AbortSignal) => Promise<ExitCode>;

/** A public broker is open to everyone's check. */
const PUBLIC_BROKER = "hivemq";

/** Prepares `lwt-demo check`. @throws UserError exit code 2 */
export async function checkJob(values: DemoValues, { screen, variables }: CommandContext) {
  const check = values.connectivity
    ? connectivityCheck(values, variables)
    : await brokerCheck(values, variables);
  return {
    render: checkText(screen) as Renderer,
    start: (sink, { stop }) => check(values.quiet ? quietSink(sink) : sink, stop),
  } satisfies Pick<Job, "render" | "start">;
}

function connectivityCheck({ broker }: DemoValues, variables: Variables): Check {
  const { outside, named } = connectivityTarget(broker ?? PUBLIC_BROKER, variables);
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

async function brokerCheck(values: DemoValues, variables: Variables): Promise<Check> {
  const { builtInLesson, checkBroker, Claims, KnownBrokers, lessonNames } = await import(
    "../lessons/lessons.js"
  );
  const external = values.broker === null ? null : outsideBroker(values.broker, variables);
  const knownBrokers = await KnownBrokers.load(LESSONS_DIR);
  const bundled = external ? null : { name: "lwt-broker", version: packageJson.version };
  const product = values.as === null ? bundled : knownBrokers.productNamed(values.as);
  const names = await lessonNames(LESSONS_DIR);
  const lessons = await Promise.all(names.map(name => builtInLesson(LESSONS_DIR, name)));
  const lists = { lessons, knownBrokers, slideClaims: await Claims.load(LESSONS_DIR) };
  const common = { binDir: BIN_DIR, external, onDisk: values["on-disk"], product, ...lists };
  const check: Check = async (sink, signal) => {
    const { passed, interrupted } = await checkBroker({ ...common, signal }, sink);
    return interrupted ? ExitCode.leftEarly : passed ? ExitCode.done : ExitCode.failed;
  };
  const { report: file } = values;
  if (file === null) return check;
  return async (sink, signal) => {
    const { CheckReport } = await import("../render/check-report.js");
    const target = { file, kind: "report", example: "--report check.md" };
    return writeDocument(target, new CheckReport(), sink, each => check(each, signal));
  };
}

/** With --quiet: the verdict, and claims that are not held. */
const quietSink =
  (sink: Sink): Sink<CheckEvent> =>
  event =>
    event.event === "check" ||
    event.event === "connectivity" ||
    event.event === "error" ||
    (event.event === "checked" && event.outcome !== "held")
      ? sink(event)
      : undefined;
