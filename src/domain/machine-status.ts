import type { MachineState } from "../events/events.js";
import { machineOf, machineTopics, SLIDE_WILL_TOPIC } from "../protocol/topics.js";

/** The retained messages on a status topic. "Sensor Offline" is the course's last will. */
export const STATUS_PAYLOAD: Record<MachineState, string> = {
  online: "Sensor Online",
  offline: "Sensor Offline",
  stopped: "Sensor Stopped",
};

const stateByPayload = new Map(
  Object.entries(STATUS_PAYLOAD).map(([state, payload]) => [payload, state as MachineState]),
);

/** The status in a message: an exact payload on a status topic or on the course's will topic; null for others. */
export function machineStateOf(
  topic: string,
  payload: string,
  namespace: string,
): { machine: string | null; state: MachineState } | null {
  const state = stateByPayload.get(payload);
  if (!state) return null;
  const machine = machineOf(topic, namespace);
  const onStatusTopic = machine !== null && topic === machineTopics(namespace, machine).status;
  return onStatusTopic || topic === SLIDE_WILL_TOPIC ? { machine, state } : null;
}
