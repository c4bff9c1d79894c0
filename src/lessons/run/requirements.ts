import type { LessonEvent, SkipReason } from "../../events/events.js";
import { isUserError } from "../../util/errors.js";
import { BROKER } from "../language/constants.js";
import type { Lesson } from "../language/lesson-schema.js";
import { processIn, type Step } from "../language/step-schema.js";
import { brokersOf, type ExternalBroker, type ProbeContext, requireBroker } from "./probe-broker.js";

/** A property of the broker that a lesson needs. */
export type Requirement = Exclude<SkipReason, "interrupted">;
type Warning = Extract<LessonEvent, { event: "warning" }>;

const WITHOUT = "Run the lesson without --broker.";

export const SKIP_WARNINGS: Record<Requirement, Omit<Warning, "event">> = {
  "needs-own-broker": {
    code: "not-our-broker",
    message: "the lesson stops and starts its broker, so it needs its own.",
    hint: WITHOUT,
  },
  "needs-plain-tcp": {
    code: "no-cable",
    message: "the lesson cuts a cable, and its relay has no certificate for a broker over TLS.",
    hint: WITHOUT,
  },
  "needs-broker-list": {
    code: "no-other-broker",
    message: "the lesson needs several brokers that share sessions, and there is one.",
    hint: "Run the lesson on a cluster: --broker a,b,c",
  },
  "needs-mqtt5": {
    code: "no-mqtt-5",
    message: "the lesson needs MQTT 5, and this broker does not speak it.",
    hint: "Run the lesson on a broker that speaks it, such as Mosquitto 2: --broker HOST",
  },
};

const MQTT_5 = ["--protocol-version", "5"];

/** Returns the requirement that is known to be unmet before any connection, or null. */
export function unmetBeforeConnect({ steps }: Lesson, external: ExternalBroker | null): Requirement | null {
  if (external && steps.some(controlsBroker)) return "needs-own-broker";
  return hasStep(steps, "failover") && brokersOf(external).length < 2 ? "needs-broker-list" : null;
}

/** Returns the requirement that the broker at `connectedUrl` does not meet, or null. */
export async function unmetByBroker(
  { steps }: Lesson,
  external: ExternalBroker | null,
  connectedUrl: string,
  context: ProbeContext,
): Promise<Requirement | null> {
  if (steps.some(usesMqtt5) && !(external && (await speaksMqtt5(external, context)))) return "needs-mqtt5";
  const linked = hasStep(steps, "failover")
    ? brokersOf(external)
    : hasStep(steps, "cut")
      ? [connectedUrl]
      : [];
  return linked.some(url => /^(mqtts|wss):/.test(url)) ? "needs-plain-tcp" : null;
}

const hasStep = (steps: readonly Step[], kind: Step["kind"]): boolean =>
  steps.some(step => step.kind === kind);

const controlsBroker = (step: Step): boolean => step.kind !== "expect" && processIn(step) === BROKER;

const usesMqtt5 = (step: Step): boolean =>
  step.kind === "start" && /(^| )(-V|--protocol-version)[ =]?(5|mqttv5)( |$)/.test(step.run.args.join(" "));

/** Whether a broker that has just answered with MQTT 3.1.1 answers with MQTT 5 too. */
async function speaksMqtt5(external: ExternalBroker, context: ProbeContext): Promise<boolean> {
  try {
    await requireBroker(external, context, MQTT_5);
    return true;
  } catch (error) {
    if (!isUserError(error)) throw error;
    return false;
  }
}
