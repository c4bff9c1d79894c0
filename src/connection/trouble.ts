import { UserError } from "../errors.js";

/** CONNACK's return codes (MQTT 3.1.1, table 3.1): what each means and what to do. */
const refusals: Record<number, { reason: string; hint: string }> = {
  1: {
    reason: "it does not speak this version of MQTT (return code 1)",
    hint: "The broker wants another protocol version than 3.1.1: use another broker, such as npx lwt-broker.",
  },
  2: {
    reason: "it does not accept this client identifier (return code 2)",
    hint: "Choose another one: --client-id NAME, letters and digits, 23 at most.",
  },
  3: {
    reason: "its MQTT service is not available (return code 3)",
    hint: "Try again in a moment, or another broker: --broker HOST.",
  },
  4: {
    reason: "the user name or password is wrong (return code 4)",
    hint: "Check --username and the password (better in LWT_PASSWORD than on the command line).",
  },
  5: {
    reason: "this client is not allowed to connect (return code 5)",
    hint: "The broker may want a user name: --username NAME, and the password in LWT_PASSWORD.",
  },
};

export const refusalReason = (returnCode: number): string =>
  refusals[returnCode]?.reason ?? `it answered CONNECT with return code ${returnCode}`;

export const refused = (broker: string, returnCode: number): UserError =>
  new UserError(
    "refused",
    `the broker at ${broker} refused the connection: ${refusalReason(returnCode)}.`,
    refusals[returnCode]?.hint ?? "MQTT 3.1.1 has no such code: is this an MQTT broker?",
  );

/** Why there is no connection, by the system's error code. */
const reasons: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was cut",
  ENOTFOUND: "there is no such host name",
  EAI_AGAIN: "the host name could not be looked up",
  ETIMEDOUT: "no answer",
  EHOSTUNREACH: "no route to that host",
  ENETUNREACH: "no network that leads there",
};

const hints: Record<string, string> = {
  ENOTFOUND: "Check the spelling of the host in --broker, and the network.",
  EAI_AGAIN: "Check the network: is this computer online?",
  ETIMEDOUT:
    "Many networks block port 1883. Try another network, or a broker on this machine: npx lwt-broker",
};

/** mqtt.js gave up waiting for CONNACK. */
const SILENT = /connack timeout/i;

export const START_ONE = "Start one in another terminal: npx lwt-broker";
const CHECK_ADDRESS = "Check host and port in --broker, and that a broker is running there.";

/** A reason for people, from what a socket or the client library reported last. */
export function reasonFor(error: Error | null): string {
  if (!error) return "the other side closed it";
  const code = (error as NodeJS.ErrnoException).code;
  if (code && reasons[code]) return reasons[code];
  if (SILENT.test(error.message)) return "nothing answered in time";
  if (/keepalive timeout/i.test(error.message)) return "the broker did not answer a ping";
  return error.message;
}

/** No connection could be made. An error without a code is mqtt.js', which could not parse what came. */
export function noBroker(broker: string, local: boolean, error: Error | null): UserError {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const fallback = local ? START_ONE : CHECK_ADDRESS;
  if (error && (code || SILENT.test(error.message)))
    return new UserError(
      "no-broker",
      `no broker answers at ${broker} (${reasonFor(error)}).`,
      hints[code ?? ""] ?? fallback,
    );
  const did = error ? "answered, but not in MQTT" : "took the connection, and closed it without a CONNACK";
  return new UserError(
    "not-mqtt",
    `something at ${broker} ${did}.`,
    `It may not be an MQTT broker. ${fallback}`,
  );
}

/** Evicted again and again: MQTT 3.1.1 gives no reason, so "probably" is all that can be said. */
export const evicted = (clientId: string): UserError =>
  new UserError(
    "client-id-in-use",
    `the broker closed this connection three times within 30 seconds, each time soon after accepting it: probably another client uses the ID "${clientId}", and each throws the other out [MQTT-3.1.4-2].`,
    "A client ID must be unique at the broker: choose another with --client-id NAME.",
  );

export const lostForGood = (broker: string, error: Error | null): UserError =>
  new UserError(
    "connection-lost",
    `the connection to ${broker} was lost, and could not be made again (${reasonFor(error)}).`,
    "Start the command again when the broker is back: what it stored for this session is still there.",
  );

export const notAcknowledged = (what: string): UserError =>
  new UserError(
    "not-acknowledged",
    `the connection ended before the broker acknowledged ${what}.`,
    "Whether the broker has it is unknown: send it again.",
  );

export const filterRefused = (topicFilter: string): UserError =>
  new UserError(
    "filter-refused",
    `the broker refused the subscription to ${topicFilter} (SUBACK 0x80).`,
    "It may not allow that topic to this user: choose another --topic, or log in with --username.",
  );
