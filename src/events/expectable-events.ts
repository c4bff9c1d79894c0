import type { BrokerEvent, ClientEvent } from "./events.js";

/** Events of options and subcommands that a lesson's processes do not use. */
type Unexpectable = "packet" | "settings" | "broker-status" | "password-set";

/** The compiler keeps this list complete. A lesson that misspells an event would wait for it in vain. */
const EXPECTABLE: Record<Exclude<(ClientEvent | BrokerEvent)["event"], Unexpectable>, true> = {
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
  fleet: true,
  "wills-witnessed": true,
  "outbox-stored": true,
  "outbox-opened": true,
  forgotten: true,
  warning: true,
  summary: true,
  error: true,
  listening: true,
  "store-opened": true,
  "users-read": true,
  "not-authorized": true,
  "client-connected": true,
  "client-refused": true,
  "client-disconnected": true,
  "subscription-refused": true,
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
  "will-not-retained": true,
  "retained-cleared": true,
  "events-omitted": true,
};

/** The names of the events that a lesson can expect. */
export const EXPECTABLE_EVENTS = Object.keys(EXPECTABLE);
