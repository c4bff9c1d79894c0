import path from "node:path";
import { conflictError } from "../../util/errors.js";
import type { demoOptions } from "../options/demo-options.js";
import { environmentName, SHARED_PREFIX, type Values } from "../options/option.js";
import { selectedAddresses, namedBroker } from "./broker-address.js";
import type { Variables } from "./merge-sources.js";

type Given = Values<typeof demoOptions>;

/** For one lesson, with someone to watch it. */
const FOR_A_LESSON = ["step", "quiz", "pace", "transcript"] as const;
const FOR_A_CHECK = ["report", "connectivity"] as const;
/** What only the whole check is about. */
const NOT_FOR_CONNECTIVITY = ["report", "on-disk", "as"] as const;

/** @param word the lesson, `list` or `check` @throws UserError exit code 2: options that go with something else */
export function checkDemoUse(values: Given, word: string | undefined): void {
  const misplaced = (names: readonly (keyof Given)[]) => names.find(name => values[name]);
  const refuse = (names: readonly (keyof Given)[], why: string, hint: string) => {
    const name = misplaced(names);
    if (name) throw conflictError(`--${name} ${why}`, hint);
  };
  if (word === "check") refuse(FOR_A_LESSON, "is for one lesson", "For a file with its table: --report FILE");
  else refuse(FOR_A_CHECK, "is for the check", "lwt-demo check runs all lessons.");
  if (values.connectivity)
    refuse(NOT_FOR_CONNECTIVITY, "says nothing where only the ways are tried", "Leave one of them out.");
  if (values.broker === null)
    refuse(["as"], "says what --broker is", "The bundled broker is known. Name another one with --broker.");
  else refuse(["on-disk"], "is for the bundled broker", "Leave --broker out, or --on-disk.");
}

/** The broker that ways are looked for to, by its URL; and how the clients may call it. */
export function connectivityTarget(broker: string, variables: Variables) {
  const addresses = selectedAddresses(broker);
  const outside = outsideBroker(broker, variables);
  if (outside.broker.includes(","))
    throw conflictError("--connectivity tries the ways to one broker", "Name one of them.");
  const [url = outside.broker] = addresses ?? [];
  return { outside: { ...outside, broker: url }, named: addresses && { name: broker, addresses } };
}

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
