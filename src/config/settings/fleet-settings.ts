import { alternativesOf } from "../../protocol/broker-url.js";
import type { ConnectionSettings } from "../connection-options.js";
import { MAX_MACHINE_NUMBER, MAX_MACHINES } from "../options/pub-options.js";
import { machineTopics } from "../../protocol/topics.js";
import type { PubSettings } from "./pub-settings.js";

/** @param first the name of the fleet's first machine */
export const machineName = (first: string, number: number): string =>
  first.replace(/^Machine\d+/, `Machine${number}`);

const RANGE_STEP = 10_000;

/**
 * Returns a range of as many machines that overlaps neither with this one nor with any other that overlaps with it: that
 * one ends less than MAX_MACHINES after this one, and starts less than MAX_MACHINES before it.
 */
export function separateRange(first: number, count: number): { first: number; last: number } {
  const next = Math.ceil((first + count - 1 + MAX_MACHINES) / RANGE_STEP) * RANGE_STEP + 1;
  const start = next + count - 1 <= MAX_MACHINE_NUMBER ? next : first - MAX_MACHINES - count;
  return { first: start, last: start + count - 1 };
}

/** Rotates the brokers by the machine's number, so that a fleet is spread over them. */
function spread(broker: ConnectionSettings["broker"], number: number): string[] {
  const brokers = alternativesOf(broker);
  const start = (number - 1) % brokers.length;
  return [...brokers.slice(start), ...brokers.slice(0, start)].flat();
}

/** Returns the settings of one machine: names made from the fleet's first machine become its own. */
export function machineOfFleet(fleet: PubSettings, number: number): PubSettings {
  const { namespace, connection } = fleet;
  const machine = machineName(fleet.machine, number);
  const first = machineTopics(namespace, fleet.machine);
  const mine = machineTopics(namespace, machine);
  const own = new Map([
    [first.readings, mine.readings],
    [first.status, mine.status],
  ]);
  const ownOf = (topic: string) => own.get(topic) ?? topic;
  return {
    ...fleet,
    machine,
    readingsTopic: ownOf(fleet.readingsTopic),
    willTopic: ownOf(fleet.willTopic),
    statusTopic: fleet.statusTopic && ownOf(fleet.statusTopic),
    connection: {
      ...connection,
      broker: spread(connection.broker, number),
      clientId: machine,
      will: connection.will && { ...connection.will, topic: ownOf(connection.will.topic) },
    },
  };
}
