import { conflictError } from "../../util/errors.js";
import type { MachineState } from "../../events/events.js";
import type { subOptions } from "../options/sub-options.js";
import { machineTopics, SLIDE_WILL_TOPIC } from "../../protocol/topics.js";
import { brokerAddress } from "./broker-address.js";
import {
  type ClientSettings,
  cleanUpCommand,
  type Host,
  connectionSettings,
  connectionWarnings,
  effectiveConnection,
  suffixFor,
  type Warning,
} from "./connection-settings.js";
import { forgetsBy } from "./mqtt5-settings.js";
import { calledAs, type Given } from "./merge-sources.js";

export interface SubSettings extends ClientSettings {
  filters: string[];
  until: MachineState | null;
  /** Whose state `until` is about; null: any machine's. */
  machine: string | null;
  mode: "follow" | "subscribe-only" | "retained" | "forget";
  holdAcks: boolean;
}

const HOLDING: Warning = {
  code: "holding-acks",
  message: "nothing is acknowledged: all of it comes again on the next connection [MQTT-4.4.0-1].",
  hint: "To take it then: sub-lwt without --hold-acks.",
};

type SubGiven = Given<typeof subOptions>;

/** @throws UserError exit code 2, when options contradict each other. */
export function subSettings(given: SubGiven, computer: Host): SubSettings {
  const { values } = given;
  const holdAcks = values["hold-acks"];
  const mode = modeOf(given);
  checkLooks(given, mode);
  checkHolding(given, mode);
  const address = brokerAddress(given);
  const own = suffixFor(given, ["client-id"], address, computer);
  const clientId = values["client-id"] ?? `Subscriber1${own.suffix}`;
  const connection = connectionSettings(given, address, clientId, computer);
  const stores = forgetsBy(given) === null && (mode === "follow" || mode === "subscribe-only");
  const ofMachine = machineTopics(values.namespace, values.machine ?? "+");
  return {
    // In a session beside the stored one, so that nothing of that is consumed.
    connection:
      mode === "retained"
        ? { ...connection, clientId: `${clientId}-retained`, cleanSession: true }
        : connection,
    warnings: [...connectionWarnings(given, address, clientId, own), ...(holdAcks ? [HOLDING] : [])],
    cleanUp: stores ? cleanUpCommand("sub-lwt", given, address, ["client-id", "username"]) : null,
    qos: values.qos,
    count: values.count,
    timeout: values.timeout,
    filters: values.topic ?? [ofMachine.readings, ofMachine.status, SLIDE_WILL_TOPIC],
    until: values.until,
    machine: values.machine,
    mode,
    holdAcks,
  };
}

function modeOf(given: SubGiven): SubSettings["mode"] {
  const { values } = given;
  const [mode, another] = (["retained", "subscribe-only", "forget"] as const).filter(name => values[name]);
  if (mode === undefined) return "follow";
  const end = another ?? (["until", "count"] as const).find(name => values[name] !== null);
  if (end) throw conflictError(`${calledAs(given, mode)} and ${calledAs(given, end)} exclude each other`);
  const forgetting = forgetsBy(given);
  if (mode === "subscribe-only" && forgetting)
    throw conflictError(
      `${calledAs(given, mode)} makes a stored session, and ${calledAs(given, forgetting)} forgets it`,
    );
  return mode;
}

function checkHolding(given: SubGiven, mode: SubSettings["mode"]): void {
  const { values } = given;
  if (!values["hold-acks"]) return;
  const holding = calledAs(given, "hold-acks");
  if (mode !== "follow") throw conflictError(`${holding} and ${calledAs(given, mode)} exclude each other`);
  const forgetting = forgetsBy(given);
  if (forgetting)
    throw conflictError(
      `with ${calledAs(given, forgetting)} nothing comes again, and ${holding} is there to show that it does`,
    );
  if (values.qos === 0)
    throw conflictError(
      `at QoS 0 nothing is acknowledged anyhow, so ${holding} means nothing`,
      "Ask for QoS 1 or 2.",
    );
}

/** What messages look like can be asked for in one way only. */
function checkLooks(given: SubGiven, mode: SubSettings["mode"]): void {
  const { values } = given;
  const both = (name: keyof SubGiven["values"], other: keyof SubGiven["values"], hint?: string) =>
    conflictError(`${calledAs(given, name)} and ${calledAs(given, other)} exclude each other`, hint);
  const [look, ...others] = (["table", "raw", "json", "quiet"] as const).filter(name => values[name]);
  const [other] = others;
  if (look === "table" && other === "json")
    throw both(look, other, "For a program: --json has every event, and at the end the summary.");
  if ((look === "table" || look === "raw") && other) throw both(look, other);
  if (look === "table" && mode !== "follow") throw both(look, mode);
}

/** The settings that depend on others, by the option that they belong to. */
export const effectiveSub = ({ connection, filters }: SubSettings) => ({
  ...effectiveConnection(connection),
  topic: filters,
});
