import { UserError } from "../../util/errors.js";
import type { Product, ProcessEvent } from "../../events/events.js";
import { namesAmongOthers } from "../language/namespacing.js";
import { startProcess } from "./lesson-process.js";

/** A broker that goes on after the lesson, and may serve others too. */
export interface OutsideBroker {
  /** As the clients' --broker takes it, without user name or password: one, or several that are tried in turn. */
  broker: string;
  /** What the clients find in their environment: user name, password, certificates. */
  environment: Record<string, string>;
}

/** Each by itself; of none, none. */
export const brokersOf = (outside: OutsideBroker | null): string[] => outside?.broker.split(",") ?? [];

/** What is found out of such a broker before a lesson begins. */
export interface BrokerInfo {
  /** The URL by which it was reached. */
  url: string;
  /** Null: nobody knows. */
  product: Product | null;
}

/** Where probes run. */
export interface Place {
  /** The folder of the committed bin/*.cjs. */
  binDir: string;
  /** Their working directory. */
  folder: string;
  /** Ends them early. */
  signal: AbortSignal;
}

/** Seconds that a broker has to answer. */
const CONNECT_TIMEOUT = 5;

/**
 * Connects once before a lesson begins, so that a broker that can't be used is no claim that did not hold.
 * @param more options of that client
 * @returns the URL by which it was reached
 * @throws UserError with what that client says
 */
export async function reachBroker(
  outside: OutsideBroker,
  place: Place,
  more: string[] = [],
): Promise<string> {
  const events = await probeBroker(outside, place, ["--forget", ...more]);
  const connected = events.find(event => event.event === "connected");
  const trouble = events.find(event => event.event === "error");
  // Of several brokers one is enough.
  if (trouble && !connected && !place.signal.aborted)
    throw new UserError(trouble.code, trouble.message, trouble.hint);
  return connected?.broker ?? "";
}

/** @param product what it is, if somebody has said so; undefined: it doesn't matter @throws UserError when it can't be used */
export async function identifyBroker(
  outside: OutsideBroker,
  product: Product | null | undefined,
  place: Place,
): Promise<BrokerInfo> {
  const url = await reachBroker(outside, place);
  return { url, product: product === null ? await identify(outside, place) : (product ?? null) };
}

/** What a broker says that it is; null: it doesn't. Of those that are known here, Mosquitto does. */
async function identify(outside: OutsideBroker, place: Place): Promise<Product | null> {
  const events = await probeBroker(outside, place, ["--retained", "-t", "$SYS/broker/version"]);
  const said = events.find(event => event.event === "message")?.payload ?? "";
  const version = /^mosquitto version (\d+(\.\d+)+)/.exec(said)?.[1];
  return version === undefined ? null : { name: "mosquitto", version };
}

/** Runs a subscriber that leaves nothing on the broker, and returns what it said. */
export async function probeBroker(
  { broker, environment }: OutsideBroker,
  { binDir, folder, signal }: Place,
  what: string[],
  connectTimeout = CONNECT_TIMEOUT,
): Promise<ProcessEvent[]> {
  const said: ProcessEvent[] = [];
  const id = ["--client-id", `Probe${namesAmongOthers().x}`];
  const connecting = ["--broker", broker, "--connect-timeout", String(connectTimeout)];
  const running = await startProcess({
    name: "probe",
    command: "sub-lwt",
    args: [...what, ...id, ...connecting],
    binDir,
    folder,
    python: null,
    environment,
    onStart: () => {},
    onEvent: event => void said.push(event),
    onSilence: async () => {},
  });
  const leave = () => running.stop();
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave);
  await running.ended;
  signal.removeEventListener("abort", leave);
  return said;
}
