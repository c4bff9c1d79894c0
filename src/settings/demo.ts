import path from "node:path";
import { environmentName, SHARED_PREFIX } from "../options/option.js";
import { namedBroker } from "./address.js";
import type { Variables } from "./sources.js";

/** A broker that lessons run on beside their own, and what their clients find in the environment. */
interface OutsideBroker {
  broker: string;
  environment: Record<string, string>;
}

/** What a broker may ask for beside its address. */
const SECRETS = ["username", "password", "insecure"];
/** Found from wherever the clients run. */
const FILES = ["cafile", "cert", "key"];

/**
 * The broker that --broker names. User name and password are taken from LWT_USERNAME and LWT_PASSWORD, or else from its
 * URL, and reach the clients by their environment: other users of this computer can read command lines.
 */
export function outsideBroker(name: string, variables: Variables): OutsideBroker {
  const { broker, username, password } = namedBroker(name);
  const given = (option: string) => variables[environmentName(SHARED_PREFIX, option)] || undefined;
  const settings: [string, string | null | undefined][] = [
    ["username", username],
    ["password", password],
    ...SECRETS.map(option => [option, given(option)] as [string, string | undefined]),
    ...FILES.map(option => [option, resolved(given(option))] as [string, string | undefined]),
  ];
  const known = settings.filter(([, value]) => typeof value === "string");
  const environment = known.map(([option, value]) => [environmentName(SHARED_PREFIX, option), value]);
  return { broker, environment: Object.fromEntries(environment) as Record<string, string> };
}

const resolved = (file: string | undefined) => (file === undefined ? undefined : path.resolve(file));
