import type { ProcessEvent, Product } from "../../events/events.js";
import { UserError } from "../../util/errors.js";
import { uniqueNames } from "../language/namespacing.js";
import { startProcess } from "./lesson-process.js";

/** A broker that outlives the lesson, and may serve other users. */
export interface ExternalBroker {
  /** The clients' --broker, without user name or password. A list has brokers that the clients try in turn. */
  broker: string;
  /** The clients' user name, password and certificates. */
  environment: Record<string, string>;
}

export const brokersOf = (external: ExternalBroker | null): string[] => external?.broker.split(",") ?? [];

export interface BrokerInfo {
  url: string;
  /** Null: unknown. */
  product: Product | null;
}

export interface ProbeContext {
  binDir: string;
  folder: string;
  /** Stops a probe early. */
  signal: AbortSignal;
}

const CONNECT_TIMEOUT_SECONDS = 5;

/**
 * Connects once, so that no claim of a lesson fails because its broker can't be used.
 * @param options further options of that client
 * @returns the URL of the broker that answered
 * @throws UserError with that client's error
 */
export async function requireBroker(
  external: ExternalBroker,
  context: ProbeContext,
  options: string[] = [],
): Promise<string> {
  const events = await probeBroker(external, context, ["--forget", ...options]);
  const connected = events.find(event => event.event === "connected");
  const error = events.find(event => event.event === "error");
  // One broker of a list is enough.
  if (error && !connected && !context.signal.aborted)
    throw new UserError(error.code, error.message, hintForLessons(error.hint));
  return connected?.broker ?? "";
}

/** Names the clients' settings as lwt-demo takes them: in the environment. */
const hintForLessons = (hint: string): string =>
  hint
    .replaceAll(/--(cafile|cert|key) FILE/g, (_, option: string) => `LWT_${option.toUpperCase()}=FILE`)
    .replaceAll(/--(cafile|cert|key|insecure)\b/g, (_, option: string) => `LWT_${option.toUpperCase()}`);

/**
 * Connects once, and asks for the product if it is needed and not yet known.
 * @param product null: not yet known; undefined: not needed
 * @throws UserError if the broker can't be used
 */
export async function identifyBroker(
  external: ExternalBroker,
  product: Product | null | undefined,
  context: ProbeContext,
): Promise<BrokerInfo> {
  const url = await requireBroker(external, context);
  return { url, product: product === null ? await productOf(external, context) : (product ?? null) };
}

/** Resolves to the product that the broker publishes, as Mosquitto does, or to null. */
async function productOf(external: ExternalBroker, context: ProbeContext): Promise<Product | null> {
  const events = await probeBroker(external, context, ["--retained", "-t", "$SYS/broker/version"]);
  const text = events.find(event => event.event === "message")?.payload ?? "";
  const version = /^mosquitto version (\d+(\.\d+)+)/.exec(text)?.[1];
  return version === undefined ? null : { name: "mosquitto", version };
}

/** Runs a subscriber that leaves no session on the broker. Resolves to its events. */
export async function probeBroker(
  { broker, environment }: ExternalBroker,
  { binDir, folder, signal }: ProbeContext,
  options: string[],
  connectTimeoutSeconds = CONNECT_TIMEOUT_SECONDS,
): Promise<ProcessEvent[]> {
  const events: ProcessEvent[] = [];
  const clientId = ["--client-id", `Probe${uniqueNames().x}`];
  const connection = ["--broker", broker, "--connect-timeout", String(connectTimeoutSeconds)];
  const running = await startProcess({
    name: "probe",
    command: "sub-lwt",
    args: [...options, ...clientId, ...connection],
    binDir,
    folder,
    python: null,
    environment,
    onEvent: event => void events.push(event),
  });
  const stop = () => running.stop();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  await running.ended;
  signal.removeEventListener("abort", stop);
  return events;
}
