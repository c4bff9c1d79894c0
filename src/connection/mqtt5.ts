import type { Granted, QoS } from "../events/events.js";
import { hex, reasonCodes } from "../protocol/reason-codes.js";
import type { ReasonInfo } from "./failure-diagnosis.js";

/** The part that only MQTT 5 needs, loaded on demand. */

type Properties = object;

/** Characters of a broker's own reason string that are shown. */
const LONGEST_REASON = 200;

/** Returns the meaning of a reason code, with the broker's reason string. */
export function reasonInfoFor(code: number, properties: Properties = {}): ReasonInfo {
  const { reason, hint } = reasonCodes[code] ?? {
    reason: "the broker gave a reason code that MQTT 5 does not define",
    hint: "Run the command again with --debug to see the packets of the broker.",
  };
  const { reasonString, serverReference } = properties as Record<string, unknown>;
  const own = [reasonString, serverReference]
    .filter(text => typeof text === "string" && text !== "")
    .join(", ");
  const words = own === "" ? "" : `: "${own.slice(0, LONGEST_REASON)}"`;
  const shown = code === 0x01 ? "return code 1" : hex(code);
  return { code, reason: `${reason} (${shown})${words}`, hint };
}

/**
 * Removes properties of CONNACK that must not reach mqtt.js: repeated ones, which are lists, and topic aliases, which
 * are not used.
 */
export function clean(properties: Properties): void {
  for (const [name, value] of Object.entries(properties))
    if (Array.isArray(value) || name === "topicAliasMaximum") Reflect.deleteProperty(properties, name);
}

/** @param connack the cleaned properties @param asked the requested session expiry in seconds */
export function grantedIn(connack: Properties, asked: number): Granted {
  const properties: Record<string, unknown> = { ...connack };
  const numberOr = <Other>(name: string, other: Other): number | Other => {
    const value = properties[name];
    return typeof value === "number" ? value : other;
  };
  const assigned = properties["assignedClientIdentifier"];
  return {
    sessionExpiry: numberOr("sessionExpiryInterval", asked),
    // 0 is a protocol error in both, and would block all messages.
    receiveMaximum: numberOr("receiveMaximum", 0) || 65_535,
    maximumQos: Math.min(numberOr("maximumQoS", 2), 2) as QoS,
    retainAvailable: properties["retainAvailable"] !== false,
    maximumPacketSize: numberOr("maximumPacketSize", 0) || null,
    keepAlive: numberOr("serverKeepAlive", null),
    assignedClientId: typeof assigned === "string" ? assigned : null,
  };
}
