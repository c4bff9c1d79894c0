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
    said?.hint ??
      returnCodes[returnCode]?.hint ??
      "Check that this is an MQTT broker: MQTT 3.1.1 has no such code.",
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
    return new UserError(error.code, `${error.message} Trying ${urlOf(other)}.`, error.hint);
  return new UserError(
    "blocked",
    `cannot reach ${urlOf(address)} (${reason}): trying ${urlOf(other)}.`,
    "Many networks block port 1883 and allow WebSocket.",
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
  return new UserError(code, `cannot use any of the brokers: ${listed(failed)}.`, error.hint);
}

/** Warns that CONNACK reports no session here, while another broker stores one. */
export const sessionElsewhere = (here: BrokerAddress, there: BrokerAddress): UserError =>
  new UserError(
    "session-elsewhere",
    `${urlOf(here)} has no session of this client (session present 0), but ${urlOf(there)} has one. Messages queued there cannot be received here.`,
    `Connect to ${urlOf(there)} again to receive them, or use brokers that share sessions.`,
  );

/** The broker reported each takeover with a reason code of MQTT 5. */
export const takenOver = (clientId: string, { reason }: ReasonInfo): UserError =>
  new UserError(
    "client-id-in-use",
    `another client uses the ID "${clientId}", so each disconnects the other. The broker reported it three times within 30 seconds: ${reason} [MQTT-3.1.4-3].`,
    "Choose another ID: --client-id NAME. A client ID must be unique at the broker.",
  );

/** The broker closed each connection with a reason code. */
export const closedByBroker = ({ reason, hint }: ReasonInfo): UserError =>
  new UserError(
    "closed-by-broker",
    `the broker closed this connection three times within 30 seconds, soon after it accepted it. Its reason: ${reason}.`,
    hint,
  );

/** MQTT 3.1.1 gives no reason, so a takeover is only probable. */
export const evicted = (clientId: string): UserError =>
  new UserError(
    "client-id-in-use",
    `the broker closed this connection three times within 30 seconds, soon after it accepted it. Probably another client uses the ID "${clientId}", and each disconnects the other [MQTT-3.1.4-2].`,
    "Choose another ID: --client-id NAME. If the ID is unique, the broker probably refuses the topic, the QoS or the size.",
  );

/** The connection was lost repeatedly for a known reason. */
export function lostRepeatedly(address: BrokerAddress, failure: FailureInfo): UserError {
  const { code, message, hint } = diagnose(failure, address);
  return new UserError(
    code,
    `three times within 30 seconds, soon after the broker accepted the connection: ${message}`,
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
      ? `cannot connect again: ${listed(failed)}.`
      : `cannot connect to ${urlOf(address)} again (${reasonOf(failure)}).`,
    "Start the command again when the broker is back.",
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
    hint: "Press Ctrl-C again to stop at once.",
  }) as const;

export const notAcknowledged = (what: string): UserError =>
  new UserError(
    "not-acknowledged",
    `the connection ended before the broker acknowledged ${what}.`,
    "Send it again: the broker may or may not have received it.",
  );

/** @param seconds without any packet */
export const noSuback = (address: BrokerAddress, seconds: number): UserError =>
  new UserError(
    "no-suback",
    `the broker at ${urlOf(address)} accepted the connection, but did not answer SUBSCRIBE within ${seconds} s.`,
    "Try again, wait longer (--connect-timeout SECONDS), or use another broker: npx lwt-broker",
  );

/** @param said the reason in SUBACK; null with MQTT 3.1.1 */
export const filterRefused = (topicFilter: string, said: ReasonInfo | null): UserError =>
  new UserError(
    "filter-refused",
    `the broker refused the subscription to ${topicFilter}${said ? `: ${said.reason}` : " (SUBACK 0x80)"}.`,
    said?.hint ??
      "Choose another --topic, or log in with --username. Probably this user has no right to that topic.",
  );

/** Refused by PUBACK, PUBREC or PUBCOMP in MQTT 5: it must not be sent again [MQTT-4.4.0-2]. */
export const publicationRefused = (topic: string, { reason, hint }: ReasonInfo): UserError =>
  new UserError("publish-refused", `the broker refused the message on ${topic}: ${reason}.`, hint);

export const tooLarge = (topic: string, bytes: number, most: number): UserError =>
  new UserError(
    "too-large",
    `cannot publish on ${topic}: the packet has ${bytes} bytes, and this broker accepts at most ${most}.`,
    "Use a shorter payload.",
  );

/** @param problem as topics.ts returned it */
export const badTopic = (use: "published to" | "subscribed to", problem: string): UserError =>
  usageError(
    "bad-topic",
    `the topic cannot be ${use}: ${problem}.`,
    "Choose another topic. The rules are in section 4.7 of MQTT 3.1.1.",
  );

export const tooLong = (error: Error): UserError =>
  usageError(
    "too-long",
    `cannot write CONNECT: ${error.message}.`,
    "Use at most 65 535 bytes for each of client ID, user name, password, will topic and will payload.",
  );
