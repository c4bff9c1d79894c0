/** The package's exports. */
export { type BrokerSettings, type RunningBroker, startBroker } from "./broker/start-broker.js";
export {
  type Connection,
  type ConnectionHooks,
  type ConnectionSettings,
  connect,
  type Message,
} from "./connection/connect.js";
export { UserError } from "./util/errors.js";
export type * from "./events/events.js";
export type { ProtocolVersion, QoS } from "./protocol/types.js";
export { escapeText } from "./render/escape.js";
