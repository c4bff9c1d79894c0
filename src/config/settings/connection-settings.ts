import { parseAddresses, urlsOf } from "../../protocol/broker-url.js";
import type { ConnectionSettings, TlsSettings } from "../connection-options.js";
import { sessionExpiryOf } from "../../protocol/session-expiry.js";
import { conflictError } from "../../util/errors.js";
import { shellQuote } from "../../util/shell-quote.js";
import type { ClientEvent, QoS } from "../../events/events.js";
import type { pubOptions } from "../options/pub-options.js";
import type { subOptions } from "../options/sub-options.js";
import type { BrokerSelection } from "./broker-address.js";
import { checkMqtt5 } from "./mqtt5-settings.js";
import { BROKER_GROUP, nameAsGiven, type MergedOptions } from "./merge-sources.js";

export type ClientTable = typeof pubOptions | typeof subOptions;

/** What settings need to read from this computer, so that they stay pure. */
export interface Host {
  /** The text of a file that an option names. @throws UserError when it can't be read */
  readFile(option: string, path: string): string;
  /** Returns `x` and six hex digits, which distinguish this computer's clients at every run. */
  ownSuffix(): { suffix: string; kept: boolean };
}

export type Warning = Omit<Extract<ClientEvent, { event: "warning" }>, "event">;

/** Settings of both clients. */
export interface ClientSettings {
  connection: Required<ConnectionSettings>;
  qos: QoS;
  /** Readings or messages after which to stop; null: none. */
  count: number | null;
  /** Seconds after which to stop; null: none. */
  timeout: number | null;
  warnings: Warning[];
  /** The command that ends the stored session; null unless the broker is public. */
  cleanUp: string | null;
}

const DEFAULT_KEEP_ALIVE = 60;
/** Seconds: a day, after which the sessions of a class end by themselves. */
const DEFAULT_SESSION_EXPIRY = 86_400;
/** Seconds. A local broker may be about to be started. */
const CONNECT_TIMEOUT = { local: 60, elsewhere: 15 };

/** @throws UserError exit code 2 */
export function connectionSettings(
  options: MergedOptions<ClientTable>,
  address: BrokerSelection,
  clientId: string,
  host: Host,
): Required<ConnectionSettings> {
  const { values } = options;
  checkPassword(options, address);
  checkMqtt5(options, ["session-expiry"]);
  return {
    broker: address.brokers.map(({ urlWithCredentials: url }) => url),
    clientId,
    cleanSession: values["clean-session"],
    protocolVersion: values["protocol-version"],
    sessionExpiry: values["session-expiry"] ?? DEFAULT_SESSION_EXPIRY,
    willDelay: 0,
    keepAlive: values["keep-alive"] ?? DEFAULT_KEEP_ALIVE,
    will: null,
    username: values.username,
    password: values.password,
    tls: address.usesTls ? tlsSettings(options, host) : null,
    connectTimeout: values["connect-timeout"] ?? CONNECT_TIMEOUT[address.isLocal ? "local" : "elsewhere"],
    reconnectTimeout: values["reconnect-timeout"],
    maxPacket: values["max-packet"],
    namespace: values.namespace,
    debug: values.debug,
  };
}

function tlsSettings(options: MergedOptions<ClientTable>, host: Host): TlsSettings {
  const { cafile, cert, key, insecure } = options.values;
  if ((cert === null) !== (key === null))
    throw conflictError(
      "--cert and --key need each other",
      "Name both: the certificate and its private key.",
    );
  const read = (option: "cafile" | "cert" | "key", path: string | null) =>
    path === null ? null : host.readFile(nameAsGiven(options, option), path);
  return { ca: read("cafile", cafile), cert: read("cert", cert), key: read("key", key), insecure };
}

/** Refuses to send a password from the environment to a broker that only a file in the working directory names. */
function checkPassword({ values, from }: MergedOptions<ClientTable>, address: BrokerSelection): void {
  const brokerFrom = BROKER_GROUP.map(name => from[name]).find(Boolean)?.kind;
  if (brokerFrom === "file" && from.password?.kind === "environment")
    throw conflictError(
      `the password in ${from.password.nameOf("password")} is not sent to a broker that only a .env file names`,
      "Name the broker with --broker, or put its password into that file too.",
    );
  if (
    from.insecure?.kind === "file" &&
    from.password?.kind === "environment" &&
    address.usesTls &&
    values.insecure
  )
    throw conflictError(
      `the password in ${from.password.nameOf("password")} is not sent, because only a .env file sets --insecure`,
      "Type --insecure yourself, or trust the broker's certificate: --cafile FILE.",
    );
  if (values.password !== null && values.username === null && address.brokers.some(one => !one.username))
    throw conflictError(
      "a password needs a user name [MQTT-3.1.2-22]",
      "Add --username NAME, or set LWT_USERNAME.",
    );
}

type Suffix = ReturnType<Host["ownSuffix"]>;
export const NO_SUFFIX: Suffix = { suffix: "", kept: true };

/** Returns the suffix for names on a shared broker, if the user has chosen none of these names. */
export const suffixFor = (
  { from }: MergedOptions<ClientTable>,
  names: ("client-id" | "machine")[],
  { isLocal }: BrokerSelection,
  host: Host,
): Suffix => (isLocal || names.some(name => from[name]) ? NO_SUFFIX : host.ownSuffix());

export function connectionWarnings(
  { values }: MergedOptions<ClientTable>,
  address: BrokerSelection,
  clientId: string,
  { suffix, kept }: Suffix,
): Warning[] {
  const warnings: Warning[] = [];
  if (suffix)
    warnings.push({
      code: "shared-broker",
      message: `${address.url} is shared, so the client ID is ${clientId}.`,
      hint: kept
        ? "Choose another ID with --client-id NAME. This one stays the same on this computer."
        : "Choose one with --client-id NAME. This one is new at each run, because its folder cannot be written.",
    });
  if (address.unusedTlsOption !== null)
    warnings.push({
      code: "tls-unused",
      message: `${address.unusedTlsOption} has no effect: ${address.url} has no TLS, so everything is sent in clear text.`,
      hint: "For TLS, name the broker with mqtts:// or wss://.",
    });
  if (address.downgrade !== null)
    warnings.push({
      code: "mixed-tls",
      message: `${address.downgrade.from} uses TLS, ${address.downgrade.to} does not. An attacker who blocks the first can read what goes to the second, passwords too.`,
      hint: "Name all brokers with mqtts:// or wss://, or by their hosts alone and with --cafile.",
    });
  if (values.insecure && address.usesTls)
    warnings.push({
      code: "insecure",
      message: "with --insecure every certificate is accepted, also a false one.",
      hint: "Use --cafile FILE with the certificate that signed the broker's.",
    });
  return warnings;
}

/** Returns the command that ends the stored session, with the names that were used; null unless the broker is public. */
export function cleanUpCommand(
  command: string,
  { values, from }: { values: Record<string, unknown>; from: Record<string, unknown> },
  { publicUrl, name: broker }: BrokerSelection,
  names: readonly string[],
): string | null {
  if (publicUrl === null) return null;
  const more = names
    .filter(name => from[name])
    .map(name => (values[name] === true ? ` --${name}` : ` --${name} ${shellQuote(String(values[name]))}`))
    .join("");
  return `npx ${command} --broker ${broker} --forget${more}`;
}

/** Returns the values that depend on other settings, by option name. */
export const effectiveConnection = (connection: Required<ConnectionSettings>) => ({
  broker: urlsOf(connection.broker),
  "client-id": connection.clientId,
  "keep-alive": connection.keepAlive,
  "session-expiry": sessionExpiryOf(connection),
  "connect-timeout": connection.connectTimeout,
  ...credentialsOfOne(connection),
});

/** Returns the credentials for a single broker, which may be in its URL; several brokers may each have their own. */
function credentialsOfOne({ broker, username, password }: Required<ConnectionSettings>) {
  const [only, another] = parseAddresses(broker, { username, password }) ?? [];
  return only && !another ? { username: only.username, password: only.password } : { username, password };
}
