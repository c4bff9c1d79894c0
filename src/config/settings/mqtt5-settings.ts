import { conflictError } from "../../util/errors.js";
import type { OptionTable, Values } from "../options/option.js";
import type { connectionOptions } from "../options/client-options.js";
import { nameAsGiven, type MergedOptions } from "./merge-sources.js";

interface ConnectionOptions {
  values: Pick<Values<typeof connectionOptions>, "protocol-version" | "clean-session" | "session-expiry">;
  from: MergedOptions<OptionTable>["from"];
}

/** @throws UserError exit code 2: MQTT 5 options with MQTT 3.1.1, or options that contradict each other */
export function checkMqtt5(options: ConnectionOptions, names: string[]): void {
  const { values, from } = options;
  const name = names.find(one => from[one]);
  if (values["protocol-version"] === "3.1.1" && name)
    throw conflictError(
      `${nameAsGiven(options, name)} needs MQTT 5, and ${nameAsGiven(options, "protocol-version")} is 3.1.1`,
      "Add --protocol-version 5, and use a broker that speaks it, such as Mosquitto 2.",
    );
  if (values["clean-session"] && values["session-expiry"])
    throw conflictError(
      `${nameAsGiven(options, "session-expiry")} stores the session, and ${nameAsGiven(options, "clean-session")} ends it`,
    );
}

/** Returns the option that ends the session with its connection; null: the broker stores the session. */
export function forgetsBy({ values }: ConnectionOptions): "clean-session" | "session-expiry" | null {
  if (values["clean-session"]) return "clean-session";
  return values["protocol-version"] === "5" && values["session-expiry"] === 0 ? "session-expiry" : null;
}
