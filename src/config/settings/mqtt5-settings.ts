import { conflictError } from "../../util/errors.js";
import type { OptionTable, Values } from "../options/option.js";
import type { connectionOptions } from "../options/client-options.js";
import { calledAs, type Given } from "./merge-sources.js";

interface ConnectionGiven {
  values: Pick<Values<typeof connectionOptions>, "protocol-version" | "clean-session" | "session-expiry">;
  from: Given<OptionTable>["from"];
}

/** @throws UserError exit code 2, where options that MQTT 5 brought are given without it, or against the session's kind */
export function checkMqtt5(given: ConnectionGiven, names: string[]): void {
  const { values, from } = given;
  const name = names.find(one => from[one]);
  if (values["protocol-version"] === "3.1.1" && name)
    throw conflictError(
      `${calledAs(given, name)} is part of MQTT 5, and this is ${calledAs(given, "protocol-version")} 3.1.1`,
      "Add --protocol-version 5, on a broker that speaks it: Mosquitto 2 does, lwt-broker does not.",
    );
  if (values["clean-session"] && values["session-expiry"])
    throw conflictError(
      `${calledAs(given, "session-expiry")} keeps the session, and ${calledAs(given, "clean-session")} forgets it`,
    );
}

/** The option by which nothing is kept of a session when its connection ends; null: it is kept. */
export function forgetsBy({ values }: ConnectionGiven): "clean-session" | "session-expiry" | null {
  if (values["clean-session"]) return "clean-session";
  return values["protocol-version"] === "5" && values["session-expiry"] === 0 ? "session-expiry" : null;
}
