import type { Granted, QoS } from "../events/events.js";
import { hex, reasonCodes } from "../protocol/reason-codes.js";
import type { ReasonInfo } from "./failure-diagnosis.js";

/** What only connections with MQTT 5 need; loaded for them. */

/** Of a packet, as mqtt-packet reads them. */
type Properties = object;

/** Characters of a broker's own words that are repeated. */
const LONGEST_REASON = 200;

/** What a reason code says, with the broker's own words if it gives any. */
export function reasonInfoFor(code: number, properties: Properties = {}): ReasonInfo {
  const { reason, hint } = reasonCodes[code] ?? {
    reason: "the broker gives a reason that MQTT 5 does not know",
    hint: "Is this an MQTT broker? Run it again with --debug to see what it sends.",
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
 * Takes out of CONNACK's properties what must not reach mqtt.js: what comes twice, against the protocol, is a list there;
 * topic aliases are not used, and their table would be loaded.
 */
export function clean(properties: Properties): void {
  for (const [name, value] of Object.entries(properties))
    if (Array.isArray(value) || name === "topicAliasMaximum") Reflect.deleteProperty(properties, name);
}

/** @param connack its properties, cleaned @param asked the session expiry, in seconds */
export function grantedIn(connack: Properties, asked: number): Granted {
  const properties: Record<string, unknown> = { ...connack };
  const numberOr = <Other>(name: string, other: Other): number | Other => {
    const value = properties[name];
    return typeof value === "number" ? value : other;
  };
  const assigned = properties["assignedClientIdentifier"];
  return {
    sessionExpiry: numberOr("sessionExpiryInterval", asked),
    // 0, which is an error in both, would mean that nothing can be sent.
    receiveMaximum: numberOr("receiveMaximum", 0) || 65_535,
    maximumQos: Math.min(numberOr("maximumQoS", 2), 2) as QoS,
    retainAvailable: properties["retainAvailable"] !== false,
    maximumPacketSize: numberOr("maximumPacketSize", 0) || null,
    keepAlive: numberOr("serverKeepAlive", null),
    assignedClientId: typeof assigned === "string" ? assigned : null,
  };
}
