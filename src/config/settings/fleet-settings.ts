import { alternativesOf } from "../../protocol/broker-url.js";
import type { ConnectionSettings } from "../connection-options.js";
import { machineTopics } from "../../protocol/topics.js";
import type { PubSettings } from "./pub-settings.js";

/** @param first the name of the fleet's first machine */
export const machineName = (first: string, number: number): string =>
  first.replace(/^Machine\d+/, `Machine${number}`);

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
