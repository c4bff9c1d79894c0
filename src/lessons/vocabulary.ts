import type { BrokerEvent, ClientEvent } from "../events.js";

/** The lesson's own broker: started before the first step on a free port, and every client is pointed at it. */
export const BROKER = "broker";

/** What `start` may run, and whether it is a client, which is then given the lesson's broker. */
export const COMMANDS = { "pub-lwt": "client", "sub-lwt": "client", "lwt-broker": "broker" } as const;
export type Command = keyof typeof COMMANDS;

/** Of --debug, --show-settings or `lwt-broker status`, which a lesson's processes run without. */
type Unseen = "packet" | "settings" | "broker-status";

/** What can be expected. Listed because a misspelt event would just never come; the compiler keeps it complete. */
const EXPECTABLE: Record<Exclude<(ClientEvent | BrokerEvent)["event"], Unseen>, true> = {
  connecting: true,
  connected: true,
  refused: true,
  reconnecting: true,
  disconnected: true,
  subscribed: true,
  unsubscribed: true,
  published: true,
  acknowledged: true,
  message: true,
  status: true,
  failing: true,
  witnessed: true,
  forgotten: true,
  warning: true,
  summary: true,
  error: true,
  listening: true,
  "client-connected": true,
  "client-refused": true,
  "client-disconnected": true,
  "will-stored": true,
  "will-published": true,
  "will-discarded": true,
  "session-stored": true,
  "session-resumed": true,
  "session-ended": true,
  "message-queued": true,
  "message-delivered": true,
  "message-acknowledged": true,
  "message-dropped": true,
  "message-retained": true,
  "retained-cleared": true,
  "events-omitted": true,
};

export const EVENT_NAMES = Object.keys(EXPECTABLE);
