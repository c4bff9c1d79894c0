import { usageError, UserError } from "../util/errors.js";
import { type BrokerAddress, isAlternative, urlOf } from "../protocol/broker-url.js";
import {
  type FailureInfo,
  reasonOf,
  type ReasonInfo,
  startBrokerHint,
  diagnose,
} from "./failure-diagnosis.js";
import { returnCodes } from "../protocol/return-codes.js";
import type { FailedAddress } from "./address-rotation.js";

export const refusalReason = (returnCode: number): string =>
  returnCodes[returnCode]?.reason ?? `it answered CONNECT with return code ${returnCode}`;

/** @param said the meaning of the code in MQTT 5; null with MQTT 3.1.1 */
export const refused = (address: BrokerAddress, returnCode: number, said: ReasonInfo | null): UserError =>
  new UserError(
    "refused",
    `the broker at ${urlOf(address)} refused the connection: ${said?.reason ?? refusalReason(returnCode)}.`,
    said?.hint ?? returnCodes[returnCode]?.hint ?? "MQTT 3.1.1 has no such code: is this an MQTT broker?",
  );

export function noBroker(address: BrokerAddress, failure: FailureInfo): UserError {
  const { code, message, hint } = diagnose(failure, address);
  return new UserError(code, message, hint ?? startBrokerHint(address));
}

/** Returns whether another attempt would fail in the same way. */
export const isFinal = (address: BrokerAddress, failure: FailureInfo): boolean =>
  diagnose(failure, address).final;

export function failoverNotice({ address, error, reason }: FailedAddress, other: BrokerAddress): UserError {
  const isWebSocket = other.scheme === "ws" || other.scheme === "wss";
  if (!isAlternative(address, other) || !isWebSocket)
    return new UserError(error.code, `${error.message} Going over to ${urlOf(other)}.`, error.hint);
  return new UserError(
    "blocked",
    `${urlOf(address)} can't be reached (${reason}): going over to ${urlOf(other)}.`,
    "Many networks block MQTT's port 1883, and let WebSockets through.",
  );
}

const listed = (failed: FailedAddress[]) =>
  failed.map(({ address, reason }) => `${urlOf(address)} (${reason})`).join(", ");

export function allBrokersFailed(failed: FailedAddress[]): UserError {
  const telling = failed.find(({ isFinal }) => isFinal) ?? failed[0];
  if (!telling) throw new Error("none has failed");
  const { error } = telling;
  if (failed.length === 1) return error;
  const code = failed.every(each => each.error.code === error.code) ? error.code : "no-broker";
  return new UserError(code, `none of the brokers can be used: ${listed(failed)}.`, error.hint);
}

/** Warns that CONNACK reports no session here, while another broker stores one. */
export const sessionElsewhere = (here: BrokerAddress, there: BrokerAddress): UserError =>
  new UserError(
    "session-elsewhere",
    `${urlOf(here)} has no session of this client (session present 0), and ${urlOf(there)} had one: what is queued there is out of reach from here.`,
    `It comes when this client is connected to ${urlOf(there)} again. Only brokers that share sessions, as a cluster does, go on with it.`,
  );

/** The broker reported each takeover with a reason code of MQTT 5. */
export const takenOver = (clientId: string, { reason }: ReasonInfo): UserError =>
  new UserError(
    "client-id-in-use",
    `another client uses the ID "${clientId}", and each throws the other out: three times within 30 seconds the broker has said so: ${reason} [MQTT-3.1.4-3].`,
    "A client ID must be unique at the broker: choose another with --client-id NAME.",
  );

/** The broker closed each connection with a reason code. */
export const closedByBroker = ({ reason, hint }: ReasonInfo): UserError =>
  new UserError(
    "closed-by-broker",
    `the broker closed this connection three times within 30 seconds, each time soon after accepting it, and says: ${reason}.`,
    hint,
  );

/** MQTT 3.1.1 gives no reason, so a takeover is only probable. */
export const evicted = (clientId: string): UserError =>
  new UserError(
    "client-id-in-use",
    `the broker closed this connection three times within 30 seconds, each time soon after accepting it: probably another client uses the ID "${clientId}", and each throws the other out [MQTT-3.1.4-2]; or the broker does not accept what this client sends.`,
    "A client ID must be unique at the broker: choose another with --client-id NAME. Else look at topic, QoS and size.",
  );

/** The connection was lost repeatedly for a known reason. */
export function lostRepeatedly(address: BrokerAddress, failure: FailureInfo): UserError {
  const { code, message, hint } = diagnose(failure, address);
  return new UserError(
    code,
    `three times within 30 seconds, each time soon after accepting the connection, ${message}`,
    hint ?? "",
  );
}

/** @param failed the brokers that were tried after it */
export const reconnectFailed = (
  address: BrokerAddress,
  failure: FailureInfo,
  failed: FailedAddress[],
): UserError =>
  new UserError(
    "connection-lost",
    failed.length > 1
      ? `the connection was lost, and could not be made again: ${listed(failed)}.`
      : `the connection to ${urlOf(address)} was lost, and could not be made again (${reasonOf(failure)}).`,
    "Start the command again when the broker is back: what it stored for this session is still there.",
  );

export const closedError = (): UserError =>
  new UserError("closed", "the connection was closed.", "Connect again to go on.");

export const stoppedError = (brokers: string, address: BrokerAddress): UserError =>
  new UserError("stopped", `stopped before a broker answered at ${brokers}.`, startBrokerHint(address));

export const waitingWarning = (seconds: number) =>
  ({
    event: "warning",
    code: "waiting",
    message: `the broker has not acknowledged everything yet: waiting for it, ${seconds} s at most.`,
    hint: "Ctrl-C again leaves at once.",
  }) as const;

export const notAcknowledged = (what: string): UserError =>
  new UserError(
    "not-acknowledged",
    `the connection ended before the broker acknowledged ${what}.`,
    "Whether the broker has it is unknown: send it again.",
  );

/** @param seconds without any packet */
export const noSuback = (address: BrokerAddress, seconds: number): UserError =>
  new UserError(
    "no-suback",
    `the broker at ${urlOf(address)} accepted the connection, and has not answered SUBSCRIBE within ${seconds} s.`,
    "Try again, or another broker: npx lwt-broker. --connect-timeout SECONDS waits longer.",
  );

/** @param said the reason in SUBACK; null with MQTT 3.1.1 */
export const filterRefused = (topicFilter: string, said: ReasonInfo | null): UserError =>
  new UserError(
    "filter-refused",
    `the broker refused the subscription to ${topicFilter}${said ? `: ${said.reason}` : " (SUBACK 0x80)"}.`,
    said?.hint ??
      "It may not allow that topic to this user: choose another --topic, or log in with --username.",
  );

/** Refused by PUBACK, PUBREC or PUBCOMP in MQTT 5: it must not be sent again [MQTT-4.4.0-2]. */
export const publicationRefused = (topic: string, { reason, hint }: ReasonInfo): UserError =>
  new UserError("publish-refused", `the broker refused the message on ${topic}: ${reason}.`, hint);

export const tooLarge = (topic: string, bytes: number, most: number): UserError =>
  new UserError(
    "too-large",
    `the message on ${topic} is ${bytes} bytes long as a packet, and this broker takes ${most} at most.`,
    "It was not sent: use a shorter payload.",
  );

/** @param problem as topics.ts returned it */
export const badTopic = (use: "published to" | "subscribed to", problem: string): UserError =>
  usageError("bad-topic", `that topic can't be ${use}: ${problem}.`, "MQTT 3.1.1 has the rules in 4.7.");

export const tooLong = (error: Error): UserError =>
  usageError(
    "too-long",
    `CONNECT can't be written: ${error.message}.`,
    "MQTT allows 65 535 bytes for each of client ID, user name, password, and the will's topic and payload.",
  );
