import path from "node:path";
import { conflictError } from "../../util/errors.js";
import type { demoOptions } from "../options/demo-options.js";
import { environmentName, SHARED_PREFIX, type Values } from "../options/option.js";
import { addressesOfName, namedBroker } from "./broker-address.js";
import type { Variables } from "./merge-sources.js";

type DemoOptions = Values<typeof demoOptions>;

const LESSON_OPTIONS = ["step", "quiz", "pace", "transcript"] as const;
const CHECK_OPTIONS = ["report", "connectivity"] as const;
const LESSON_CHECK_OPTIONS = ["report", "on-disk", "as"] as const;

/** @param word the lesson, `list` or `check` @throws UserError exit code 2: options of another use */
export function checkDemoUse(values: DemoOptions, word: string | undefined): void {
  const misplaced = (names: readonly (keyof DemoOptions)[]) => names.find(name => values[name]);
  const refuse = (
    names: readonly (keyof DemoOptions)[],
    why: string,
    hint: string | ((name: string) => string),
  ) => {
    const name = misplaced(names);
    if (name) throw conflictError(`--${name} ${why}`, typeof hint === "string" ? hint : hint(name));
  };
  if (word === "check")
    refuse(LESSON_OPTIONS, "needs one lesson", name =>
      name === "transcript"
        ? "Write the table of the check instead: lwt-demo check --report check.md"
        : `Name a lesson: lwt-demo queued --${name}${name === "pace" ? " 2" : ""}`,
    );
  else
    refuse(CHECK_OPTIONS, "needs lwt-demo check", name =>
      name === "report"
        ? "Run all lessons: lwt-demo check --report check.md"
        : `Type: lwt-demo check --${name}`,
    );
  if (values.connectivity)
    refuse(LESSON_CHECK_OPTIONS, "has no effect with --connectivity", "Omit one of them.");
  if (values.broker === null)
    refuse(["as"], "needs --broker", "The bundled broker is known. Name another one with --broker.");
  else refuse(["on-disk"], "needs the bundled broker", "Omit --broker or --on-disk.");
}

/** Returns the broker that --connectivity tries to reach, and its name if it has one. */
export function connectivityTarget(broker: string, variables: Variables) {
  const addresses = addressesOfName(broker);
  const outside = outsideBroker(broker, variables);
  if (outside.broker.includes(","))
    throw conflictError("--connectivity tries one broker", "Name one of them.");
  const [url = outside.broker] = addresses ?? [];
  return { outside: { ...outside, broker: url }, named: addresses && { name: broker, addresses } };
}

/** A broker for lessons in place of their own, with the environment of its clients. */
interface OutsideBroker {
  broker: string;
  environment: Record<string, string>;
}

const CREDENTIAL_OPTIONS = ["username", "password", "insecure"];
const FILE_OPTIONS = ["cafile", "cert", "key"];

/**
 * Returns the broker of --broker. LWT_USERNAME and LWT_PASSWORD, or the credentials in its URL, reach the clients by
 * their environment: other users of this computer can read command lines.
 */
export function outsideBroker(name: string, variables: Variables): OutsideBroker {
  const { broker, username, password } = namedBroker(name);
  const given = (option: string) => variables[environmentName(SHARED_PREFIX, option)] || undefined;
  const settings: [string, string | null | undefined][] = [
    ["username", username],
    ["password", password],
    ...CREDENTIAL_OPTIONS.map(option => [option, given(option)] as [string, string | undefined]),
    ...FILE_OPTIONS.map(option => [option, absolute(given(option))] as [string, string | undefined]),
  ];
  const known = settings.filter(([, value]) => typeof value === "string");
  const environment = known.map(([option, value]) => [environmentName(SHARED_PREFIX, option), value]);
  return { broker, environment: Object.fromEntries(environment) as Record<string, string> };
}

const absolute = (file: string | undefined) => (file === undefined ? undefined : path.resolve(file));
