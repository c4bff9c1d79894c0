import { machineTopics } from "../topics.js";
import type { PubSettings } from "./pub.js";

/** The settings of one machine of a fleet, counted from 1: what would be named after its first machine is its own. */
export function machineOfFleet(fleet: PubSettings, number: number): PubSettings {
  const { namespace, connection } = fleet;
  const machine = fleet.machine.replace(/^Machine1/, `Machine${number}`);
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
      clientId: machine,
      will: connection.will && { ...connection.will, topic: ownOf(connection.will.topic) },
    },
  };
}
