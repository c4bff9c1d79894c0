import { usageError } from "../util/errors.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { parseAddresses } from "../protocol/broker-url.js";
import { Connection } from "./connection.js";
import { type ConnectionSettings, DEFAULTS } from "../config/connection-options.js";
import type { ConnectionHooks } from "./connection-hooks.js";

/** Returns a connection that is not open yet. @throws UserError `bad-broker` if the URL is not valid */
export function connectionTo(
  settings: ConnectionSettings,
  sink: Sink<ClientEvent>,
  hooks: ConnectionHooks,
): Connection {
  const complete = Object.assign({}, DEFAULTS, settings); // spread, each would have a hidden class of its own: 0.5 kB
  const [first, ...others] = parseAddresses(complete.broker, complete) ?? [];
  if (!first) throw badUrl();
  return new Connection(complete, [first, ...others], sink, hooks);
}

/**
 * Connects, and reconnects after each loss, with growing random delays, for five minutes. Messages are handled from
 * before CONNECT on, so that no queued message is missed. The sink receives all events in order. @throws UserError
 * `bad-broker` if the URL is not valid, `refused` by CONNACK, and the errors of failure-diagnosis.ts
 */
export async function connect(
  settings: ConnectionSettings,
  sink: Sink<ClientEvent> = () => {},
  hooks: ConnectionHooks = {},
): Promise<Connection> {
  const connection = connectionTo(settings, sink, hooks);
  await connection.open();
  return connection;
}

/** Does not show the URL, which may hold a password. */
const badUrl = () =>
  usageError(
    "bad-broker",
    "the broker's URL is not valid.",
    "Begin it with mqtt, mqtts, ws or wss, for example mqtt://127.0.0.1:1883.",
  );

export type { Connection } from "./connection.js";
export { MAX_INCOMPLETE_QOS2 } from "./packet-identifiers.js";
export type { Message } from "./publish-queue.js";
export type { ConnectionSettings } from "../config/connection-options.js";
export type { ConnectionHooks } from "./connection-hooks.js";
