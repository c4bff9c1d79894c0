import type { SkipReason } from "../events/events.js";

const reasons: Record<Exclude<SkipReason, "interrupted">, string> = {
  "needs-own-broker": "it stops and starts its own broker",
  "needs-plain-tcp": "it cannot cut a cable to a broker over TLS",
  "needs-broker-list": "it needs brokers that share sessions: --broker a,b,c",
  "needs-mqtt5": "its broker does not speak MQTT 5",
};

/** The reason alone, for a table whose result column already says "skipped". */
export const skipReasonText = (skipped: SkipReason): string =>
  skipped === "interrupted" ? skipped : reasons[skipped];

export const skippedText = (skipped: SkipReason): string =>
  skipped === "interrupted" ? skipped : `skipped, as ${reasons[skipped]}`;
