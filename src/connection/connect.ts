import type { ClientEvent, Sink } from "../events.js";
import { Connection } from "./connection.js";
import { type ConnectionHooks, type ConnectionSettings, DEFAULTS } from "./settings.js";

/**
 * Connects, and stays connected: after a loss it tries again, with growing, jittered delays, for five minutes. Messages
 * are handled from before CONNECT, so that nothing of a resumed session's queue is missed. All that happens goes to
 * the sink, in order.
 *
 * @throws UserError `no-broker`, `not-mqtt`, `refused`: with what to do about it.
 */
export async function connect(
  settings: ConnectionSettings,
  sink: Sink<ClientEvent> = () => {},
  hooks: ConnectionHooks = {},
): Promise<Connection> {
  const connection = new Connection({ ...DEFAULTS, ...settings }, sink, hooks);
  await connection.open();
  return connection;
}

export type { Connection, Message } from "./connection.js";
export type { ConnectionHooks, ConnectionSettings } from "./settings.js";
