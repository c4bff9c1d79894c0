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
import { nameAsGiven, type MergedOptions } from "./merge-sources.js";

export interface SubSettings extends ClientSettings {
  filters: string[];
  until: MachineState | null;
  /** The machine whose state `until` waits for; null: any. */
  machine: string | null;
  mode: "follow" | "subscribe-only" | "retained" | "forget";
  holdAcks: boolean;
}

const HOLDING_ACKS: Warning = {
  code: "holding-acks",
  message:
    "nothing is acknowledged, so the broker sends everything again on the next connection [MQTT-4.4.0-1].",
  hint: "To acknowledge it then: sub-lwt without --hold-acks.",
};

type SubOptions = MergedOptions<typeof subOptions>;

/** @throws UserError exit code 2: options that contradict each other */
export function subSettings(options: SubOptions, host: Host): SubSettings {
  const { values } = options;
  const holdAcks = values["hold-acks"];
  const mode = modeOf(options);
  checkOutput(options, mode);
  checkHoldAcks(options, mode);
  const address = brokerAddress(options);
  const own = suffixFor(options, ["client-id"], address, host);
  const clientId = values["client-id"] ?? `Subscriber1${own.suffix}`;
  const connection = connectionSettings(options, address, clientId, host);
  const stores = forgetsBy(options) === null && (mode === "follow" || mode === "subscribe-only");
  const ofMachine = machineTopics(values.namespace, values.machine ?? "+");
  return {
    // In another session, so that no message of the stored one is consumed.
    connection:
      mode === "retained"
        ? { ...connection, clientId: `${clientId}-retained`, cleanSession: true }
        : connection,
    warnings: [...connectionWarnings(options, address, clientId, own), ...(holdAcks ? [HOLDING_ACKS] : [])],
    cleanUp: stores ? cleanUpCommand("sub-lwt", options, address, ["client-id", "username"]) : null,
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

function modeOf(options: SubOptions): SubSettings["mode"] {
  const { values } = options;
  const [mode, another] = (["retained", "subscribe-only", "forget"] as const).filter(name => values[name]);
  if (mode === undefined) return "follow";
  const end = another ?? (["until", "count"] as const).find(name => values[name] !== null);
  if (end)
    throw conflictError(`${nameAsGiven(options, mode)} and ${nameAsGiven(options, end)} exclude each other`);
  const forgetting = forgetsBy(options);
  if (mode === "subscribe-only" && forgetting)
    throw conflictError(
      `${nameAsGiven(options, mode)} creates a stored session, and ${nameAsGiven(options, forgetting)} ends it`,
    );
  return mode;
}

function checkHoldAcks(options: SubOptions, mode: SubSettings["mode"]): void {
  const { values } = options;
  if (!values["hold-acks"]) return;
  const holding = nameAsGiven(options, "hold-acks");
  if (mode !== "follow")
    throw conflictError(`${holding} and ${nameAsGiven(options, mode)} exclude each other`);
  const forgetting = forgetsBy(options);
  if (forgetting)
    throw conflictError(
      `with ${nameAsGiven(options, forgetting)} nothing is sent again, so ${holding} has no effect`,
    );
  if (values.qos === 0)
    throw conflictError(`at QoS 0 nothing is acknowledged, so ${holding} has no effect`, "Use --qos 1 or 2.");
}

function checkOutput(options: SubOptions, mode: SubSettings["mode"]): void {
  const { values } = options;
  const both = (name: keyof SubOptions["values"], other: keyof SubOptions["values"], hint?: string) =>
    conflictError(
      `${nameAsGiven(options, name)} and ${nameAsGiven(options, other)} exclude each other`,
      hint,
    );
  const [form, ...others] = (["table", "raw", "json", "quiet"] as const).filter(name => values[name]);
  const [other] = others;
  if (form === "table" && other === "json")
    throw both(form, other, "For a program, use --json: every event, and at the end the summary.");
  if ((form === "table" || form === "raw") && other) throw both(form, other);
  if (form === "table" && mode !== "follow") throw both(form, mode);
}

/** Returns the values that depend on other settings, by option name. */
export const effectiveSub = ({ connection, filters }: SubSettings) => ({
  ...effectiveConnection(connection),
  topic: filters,
});
