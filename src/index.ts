/** What `import … from "mqtt-lwt-lab"` gives. */
export { type BrokerSettings, type RunningBroker, startBroker } from "./broker/broker.js";
export {
  type Connection,
  type ConnectionHooks,
  type ConnectionSettings,
  connect,
  type Message,
} from "./connection/connect.js";
export { UserError } from "./errors.js";
export type * from "./events.js";
export { escapeText } from "./render/escape.js";
