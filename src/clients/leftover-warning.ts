import type { ClientEvent, Sink } from "../events/events.js";
import type { ClientSettings } from "../config/settings/connection-settings.js";

/** Warns that a public broker still stores something for this client. */
export function warnLeftovers({ cleanUp }: ClientSettings, sink: Sink<ClientEvent>): void {
  if (cleanUp === null) return;
  sink({
    event: "warning",
    code: "still-stored",
    message: "this public broker still stores this client's session.",
    hint: `To leave nothing behind: ${cleanUp}`,
  });
}
