import { BROKER } from "../language/constants.js";
import type { Lesson } from "../language/lesson-schema.js";
import type { Step } from "../language/step-schema.js";

const START_TIMEOUT_SECONDS = 10;

/** Returns the steps that start the bundled broker on a free port. None, if the lesson starts its broker first. */
export function brokerSteps({ steps }: Lesson, onDisk: boolean): Step[] {
  const firstStart = steps.find(step => step.kind === "start");
  if (firstStart?.start === BROKER) return [];
  const args = ["--port", "0", ...(onDisk ? ["--data", "broker-data"] : [])];
  const listening = { expect: "listening", from: BROKER, where: {}, times: 1 } as const;
  return [
    { kind: "start", start: BROKER, run: { command: "lwt-broker", args }, exit: 0 },
    { kind: "expect", ...listening, within: START_TIMEOUT_SECONDS, optional: false },
  ];
}
