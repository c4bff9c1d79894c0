import { parseAddress, urlOf } from "../protocol/broker-url.js";
import { usageError } from "../util/errors.js";
import type { brokerOptions } from "../config/options/broker-options.js";
import type { Values } from "../config/options/option.js";
import type { Variables } from "../config/settings/merge-sources.js";
import type { Job } from "./run-job.js";

/** Prepares `lwt-broker status`. Credentials are in the URL or the environment. @throws UserError exit code 2 */
export function statusStart(
  { broker, port }: Pick<Values<typeof brokerOptions>, "broker" | "port">,
  variables: Variables,
): Job["start"] {
  const text = broker ?? `127.0.0.1:${port}`;
  const address = parseAddress(text.includes("://") ? text : `mqtt://${text}`);
  if (!address)
    throw usageError(
      "bad-broker",
      "--broker needs HOST[:PORT], or a URL that begins with mqtt.",
      "For example: lwt-broker status --broker 127.0.0.1:1884",
    );
  const { LWT_USERNAME, LWT_PASSWORD } = variables;
  const username = address.username ?? (LWT_USERNAME || null);
  const password = address.username === null ? LWT_PASSWORD || null : address.password;
  return async (sink, context) => {
    const { fetchBrokerStatus } = await import("../clients/clients.js");
    const login = { ...(username !== null && { username }), ...(password !== null && { password }) };
    return fetchBrokerStatus({ broker: urlOf(address), ...login }, sink, context);
  };
}
