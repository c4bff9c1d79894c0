import { withoutPassword } from "../language/args-sandbox.js";
import { COMMANDS, SLIDE_CODE } from "../language/constants.js";
import { type LessonNames, nameOptions } from "../language/namespacing.js";
import type { Invocation } from "./lesson-process.js";
import type { ExternalBroker } from "./probe-broker.js";

export interface RunBroker {
  external: ExternalBroker | null;
  names: LessonNames;
  /** The clients' --broker: a URL, a name or a list. */
  brokerOption: string;
  /** The URL of the broker that answered. */
  connectedUrl: string;
}

/**
 * Completes a client's command line with its own names and its broker. A password goes to the environment.
 * @param name the lesson's name for the client; null: no client of the lesson
 * @param linkUrl the URL of the client's link, or an empty text
 */
export function commandLine(
  { command, args: given }: Invocation,
  name: string | null,
  linkUrl: string,
  { external, names, brokerOption, connectedUrl }: RunBroker,
): { args: string[]; environment: Record<string, string> } {
  const { args, environment } = withoutPassword(given);
  if (COMMANDS[command] !== "client") return { args, environment: {} };
  const ownNames = external ? nameOptions(args, names, name) : [];
  // The slide's code connects to one broker only.
  const target = linkUrl || (command === SLIDE_CODE ? connectedUrl : brokerOption);
  return {
    args: [...args, ...ownNames, "--broker", target],
    environment: { ...external?.environment, ...environment },
  };
}

/** Returns the command as a user types it in a shell. */
export const asTyped = ({ command, args }: Invocation): string =>
  [command, ...args].map(word => (/^[^\s"'$`\\]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
