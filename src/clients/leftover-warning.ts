import type { ClientEvent, Sink } from "../events/events.js";
import type { ClientSettings } from "../config/settings/connection-settings.js";

/** Warns that a public broker still stores something for this client. */
export function warnLeftovers({ cleanUp }: ClientSettings, sink: Sink<ClientEvent>): void {
  if (cleanUp === null) return;
  sink({
    event: "warning",
    code: "still-stored",
    message: "this public broker still keeps what was stored for this client.",
    hint: `To leave nothing behind: ${cleanUp}`,
  });
}
