import type { QoS } from "../events/events.js";

/** What somebody published, or left as a will. */
export interface ApplicationMessage {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: QoS;
  readonly retain: boolean;
}
