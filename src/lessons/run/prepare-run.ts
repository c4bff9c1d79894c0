import type { KnownDeviation } from "../known-deviations.js";
import { SLIDE_CODE } from "../language/constants.js";
import type { Lesson } from "../language/lesson-schema.js";
import { type LessonNames, substituteNames } from "../language/namespacing.js";
import type { Step } from "../language/step-schema.js";
import { lessonEvent } from "../lesson-event.js";
import type { RunBroker } from "./command-line.js";
import { NO_PAHO, pythonWithPaho } from "./find-python.js";
import { type BrokerInfo, type ExternalBroker, identifyBroker, type ProbeContext } from "./probe-broker.js";
import type { LessonSink, RunSettings } from "./run-settings.js";
import { type Requirement, SKIP_WARNINGS, unmetBeforeConnect, unmetByBroker } from "./requirements.js";

export interface PreparedRun {
  lesson: Lesson;
  broker: RunBroker;
  knownDeviations: readonly KnownDeviation[];
  python: string | null;
  folder: string;
}

/**
 * Identifies the broker, and reports the lesson as started or as skipped.
 * @returns the prepared run, or the requirement that the broker does not meet
 * @throws UserError if the external broker can't be used
 */
export async function prepareRun(
  lesson: Lesson,
  names: LessonNames,
  settings: RunSettings,
  folder: string,
  sink: LessonSink,
): Promise<PreparedRun | Requirement> {
  const { external, binDir, knownBrokers, signal } = settings;
  const context = { binDir, folder, signal };
  const skip = async (requirement: Requirement) => {
    await introduce(lesson, settings, sink);
    await sink({ event: "warning", ...SKIP_WARNINGS[requirement] });
    return requirement;
  };
  const unmetBefore = unmetBeforeConnect(lesson, external);
  if (unmetBefore !== null) return skip(unmetBefore);
  const { url, product } = await brokerInfoOf(lesson, settings, context);
  const unmet = await unmetByBroker(lesson, external, url, context);
  if (unmet !== null) return skip(unmet);
  await introduce(lesson, settings, sink);
  const deviations = knownBrokers.deviationsOf(product).filter(each => each.lesson === lesson.name);
  return {
    lesson,
    folder,
    broker: { external, names, brokerOption: external?.broker ?? "", connectedUrl: url },
    knownDeviations: substituteNames(deviations, names),
    python: await findPython(lesson, external, sink),
  };
}

/** Reports the lesson, and the claims of the slides that it cites. */
async function introduce(
  lesson: Lesson,
  { external, slideClaims }: RunSettings,
  sink: LessonSink,
): Promise<void> {
  await sink(lessonEvent(lesson, external?.broker));
  // oxlint-disable-next-line no-await-in-loop -- in the order of the slides
  for (const claim of slideClaims.eventsOf([lesson])) await sink(claim);
}

/** Identifies the product only if deviations from this lesson are known. */
async function brokerInfoOf(
  { name }: Lesson,
  { external, brokerInfo, knownBrokers, product }: RunSettings,
  context: ProbeContext,
): Promise<BrokerInfo> {
  if (!external) return { url: "", product: null };
  const neededProduct = knownBrokers.mentions(name) ? product : undefined;
  return brokerInfo ?? (await identifyBroker(external, neededProduct, context));
}

/** Finds a Python for the slide's code, which connects to mqtt: URLs only. A warning reports that there is none. */
async function findPython(
  { steps }: Lesson,
  external: ExternalBroker | null,
  sink: LessonSink,
): Promise<string | null> {
  if (!steps.some(runsSlideCode)) return null;
  const python = !external || external.broker.startsWith("mqtt:") ? await pythonWithPaho() : null;
  if (python === null) await sink({ event: "warning", ...NO_PAHO });
  return python;
}

export const runsSlideCode = (step: Step): boolean =>
  step.kind === "start" && step.run.command === SLIDE_CODE;
