import { usageError } from "../util/errors.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { parseAddresses } from "../protocol/broker-url.js";
import { Connection } from "./connection.js";
import { type ConnectionSettings, DEFAULTS } from "../config/connection-options.js";
import type { ConnectionHooks } from "./connection-hooks.js";

/**
 * A connection that is still to be opened, for what has to be done before.
 * @throws UserError `bad-broker` for a URL that is none
 */
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
 * Connects, and stays connected: after a loss it tries again, with growing, jittered delays, for five minutes. Messages
 * are handled from before CONNECT, so that nothing of a resumed session's queue is missed. All that happens goes to
 * the sink, in order.
 *
 * @throws UserError with what to do about it: `bad-broker` for a URL that is none, `refused` by CONNACK, and those that
 * failure-diagnosis.ts tells of
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

/** The URL itself may hold a password, and is not shown. */
const badUrl = () =>
  usageError(
    "bad-broker",
    "that is not a broker's URL.",
    "It begins with mqtt, mqtts, ws or wss, as in mqtt://127.0.0.1:1883.",
  );

export type { Connection } from "./connection.js";
export { MAX_INCOMPLETE_QOS2 } from "./packet-identifiers.js";
export type { Message } from "./publish-queue.js";
export type { ConnectionSettings } from "../config/connection-options.js";
export type { ConnectionHooks } from "./connection-hooks.js";
