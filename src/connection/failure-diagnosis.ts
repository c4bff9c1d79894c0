import { type BrokerAddress, isLocal, urlOf } from "../protocol/broker-url.js";

/** Describes an attempt that failed, or a connection that ended. */
export interface FailureInfo {
  /** The first error of the system or a library; null if the other side closed without one. */
  error: Error | null;
  /** The first bytes that arrived; null if there were none. */
  firstBytes: Buffer | null;
  /** The reason in the broker's DISCONNECT (MQTT 5); otherwise null. */
  said?: ReasonInfo | null;
  isMqtt5?: boolean;
}

/** The meaning of an MQTT 5 reason code. */
export interface ReasonInfo {
  code: number;
  /** A few words, with the code in brackets. */
  reason: string;
  hint: string;
}

/** Explains why there is no connection. */
interface Trouble {
  /** Stable, for scripts. */
  code: string;
  message: string;
  /** Null: the broker may simply not run. */
  hint: string | null;
  /** A later attempt fails in the same way. */
  final: boolean;
}

/** The default port of lwt-broker. */
const USUAL_PORT = 1883;

const TLS = "--tls-cert FILE --tls-key FILE";
/** The options of lwt-broker for each scheme. */
const LISTENS: Record<BrokerAddress["scheme"], string> = {
  mqtt: "--port",
  mqtts: `${TLS} --tls-port`,
  ws: "--ws-port",
  wss: `${TLS} --ws-port`,
};

/** Returns the hint if no broker runs there. Only one on this computer can be started from here. */
export function startBrokerHint({ scheme, host, port }: BrokerAddress): string {
  if (!isLocal(host))
    return "Check host and port in --broker, and that a broker runs there. lwt-broker serves other computers with --host 0.0.0.0 only.";
  const where = scheme === "mqtt" && port === USUAL_PORT ? "" : ` ${LISTENS[scheme]} ${port}`;
  return `Start one in another terminal: npx lwt-broker${where}`;
}
const OTHER_NETWORK =
  "Many networks block MQTT's ports. Try another network, --broker hivemq, which has a second way in, or a broker on this machine: npx lwt-broker";

interface Told {
  code: string;
  /** A few words, for brackets. */
  reason: string;
  /** The whole sentence. Default: no broker answers, with the reason. */
  sentence?: (broker: string, error: Error) => string;
  hint?: string | ((address: BrokerAddress) => string);
  final?: true;
}

const withScheme = (scheme: BrokerAddress["scheme"], { host, port }: BrokerAddress) =>
  `--broker ${urlOf({ scheme, host, port, path: "", username: null, password: null })}`;

const untrusted = (reason: string): Told => ({
  code: "not-trusted",
  reason,
  sentence: broker => `the certificate of ${broker} is not to be trusted: ${reason}.`,
  hint: "For a broker that you know: --cafile FILE, the certificate that signed its own. --insecure accepts anyone's.",
  final: true,
});

const notTls: Told = {
  code: "not-tls",
  reason: "what answers is not TLS",
  sentence: broker => `something at ${broker} answered, but not in TLS.`,
  hint: address => `Without TLS it is ${withScheme(address.scheme === "wss" ? "ws" : "mqtt", address)}`,
  final: true,
};

/** Marks an error for a packet that MQTT forbids. */
export const BROKEN_MQTT = "BROKEN_MQTT";

const BY_CODE: Record<string, Told> = {
  ECONNREFUSED: { code: "no-broker", reason: "connection refused" },
  ENOTFOUND: {
    code: "host-unknown",
    reason: "there is no such host name",
    hint: "Check the spelling of the host in --broker, and the network.",
  },
  EAI_AGAIN: {
    code: "host-unknown",
    reason: "the host name could not be looked up",
    hint: "Check the network: is this computer online?",
  },
  ETIMEDOUT: { code: "no-answer", reason: "no answer", hint: OTHER_NETWORK },
  EHOSTUNREACH: {
    code: "no-route",
    reason: "no route to that host",
    hint: "Check the address, and whether this computer is in the network that it belongs to.",
  },
  ENETUNREACH: {
    code: "no-route",
    reason: "no network that leads there",
    hint: "Check the network: is this computer online?",
  },
  EACCES: {
    code: "not-permitted",
    reason: "this computer does not permit it",
    hint: "A firewall on this computer may block it. A broker on this machine: npx lwt-broker",
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted("it is signed by itself"),
  SELF_SIGNED_CERT_IN_CHAIN: untrusted("its signer is not known here"),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted("its signer is not known here"),
  UNABLE_TO_GET_ISSUER_CERT: untrusted("its signer is not known here"),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted("its signer is not known here"),
  CERT_HAS_EXPIRED: {
    ...untrusted("it has expired"),
    code: "certificate-expired",
    hint: "Its owner has to renew it, or this computer's clock is wrong.",
  },
  CERT_NOT_YET_VALID: {
    ...untrusted("it is not valid yet"),
    hint: "This computer's clock may be wrong.",
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: "wrong-host",
    reason: "its certificate is for another host",
    sentence: (broker, error) => `the certificate of ${broker} is for another host${namesIn(error)}.`,
    hint: "Connect by a name that it is for. Else this may not be the broker that you mean.",
    final: true,
  },
  EPROTO: notTls,
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls,
};
BY_CODE["EPERM"] = BY_CODE["EACCES"] as Told;

/** The other side accepted the connection and closed it at once. Its scheme suggests what it expected. */
const CLOSED_EARLY: Record<BrokerAddress["scheme"], Told> = {
  mqtt: {
    code: "not-mqtt",
    reason: "the connection was closed before CONNACK",
    sentence: broker => `something at ${broker} took the connection, and closed it without a CONNACK.`,
    hint: address =>
      `If that is a TLS port: ${withScheme("mqtts", address)}. Else it may not be an MQTT broker.`,
  },
  mqtts: {
    code: "not-tls",
    reason: "the connection was closed before TLS was agreed",
    sentence: broker => `something at ${broker} closed the connection before TLS was agreed.`,
    hint: address => `It may have no TLS: ${withScheme("mqtt", address)}`,
  },
  ws: {
    code: "not-websocket",
    reason: "the connection was closed before WebSocket was agreed",
    sentence: broker => `something at ${broker} closed the connection before WebSocket was agreed.`,
    hint: address =>
      `It may speak MQTT without it: ${withScheme("mqtt", address)}, or want TLS: ${withScheme("wss", address)}`,
  },
  wss: {
    code: "not-tls",
    reason: "the connection was closed before TLS was agreed",
    sentence: broker => `something at ${broker} closed the connection before TLS and WebSocket were agreed.`,
    hint: address => `It may have no TLS: ${withScheme("ws", address)}`,
  },
};

/** For errors of libraries that have no code: by their message. */
const BY_MESSAGE: [pattern: RegExp, told: (match: RegExpExecArray) => Told][] = [
  [
    /connack timeout/i,
    () => ({ code: "no-answer", reason: "nothing answered in time", hint: OTHER_NETWORK }),
  ],
  [
    /max payload size exceeded/i,
    () => broken("a WebSocket message that is larger than four times --max-packet"),
  ],
  [/^Invalid WebSocket frame: (.*)/, ([, what]) => broken(`a WebSocket frame in which ${what}`)],
  [/keepalive timeout/i, () => ({ code: "no-answer", reason: "the broker did not answer a ping" })],
  [
    /unexpected server response: (\d+)/i,
    ([, status]) => ({
      code: "not-websocket",
      reason: `HTTP ${status} instead of a WebSocket`,
      sentence: broker => `a web server answers at ${broker}, but has no WebSocket there (HTTP ${status}).`,
      hint: "Check port and path: most brokers have their WebSocket at /mqtt or /ws.",
    }),
  ],
  [
    /parse error: expected http/i,
    () => ({
      code: "not-websocket",
      reason: "what answers is not HTTP",
      sentence: broker => `something at ${broker} answered, but not in HTTP.`,
      hint: address => `It may speak MQTT without WebSocket: ${withScheme("mqtt", address)}`,
    }),
  ],
  [
    /certificate required|handshake failure/i,
    () => ({
      code: "certificate-wanted",
      reason: "it wants a certificate of this client",
      sentence: broker => `the broker at ${broker} wants a certificate of this client.`,
      hint: "Give both: --cert FILE and --key FILE.",
      final: true,
    }),
  ],
  [
    /SSL routines:[^:]*:([^:]*alert[^:]*):/i,
    ([, alert]) => ({
      code: "tls-refused",
      reason: `TLS was refused: ${alert}`,
      sentence: broker => `the broker at ${broker} refused TLS (${alert}).`,
      hint: "It may not accept this client's certificate: check --cert and --key with its owner.",
      final: true,
    }),
  ],
];

/** RabbitMQ 3.10 does this. */
const OR_NOT_MQTT_5 = " Or it does not speak MQTT 5: leave out --protocol-version 5.";

const WEB_SERVER: Told = {
  code: "not-mqtt",
  reason: "a web server answers there",
  sentence: broker => `a web server answers at ${broker}, and no MQTT broker.`,
  hint: address => `MQTT in a WebSocket is ${withScheme("ws", address)}/mqtt`,
};
/** Includes what mqtt.js cannot parse: its errors have no code. */
const NOT_MQTT: Told = {
  code: "not-mqtt",
  reason: "what answers is not MQTT",
  sentence: broker => `something at ${broker} answered, but not in MQTT.`,
  hint: "It may not be an MQTT broker: check host and port in --broker.",
};

/** Returns the violation of MQTT that the framer or mqtt.js found. */
const broken = (what: string): Told => ({
  code: "protocol-error",
  reason: `the broker broke MQTT: ${what}`,
  sentence: broker => `the broker at ${broker} broke MQTT: ${what}.`,
  hint: "Another broker shows whether it is this one: npx lwt-broker. With --debug every packet is shown.",
});

const RESETS = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"]);

/** The host names in a certificate. */
function namesIn(error: Error): string {
  const { cert } = error as { cert?: { subjectaltname?: string; subject?: { CN?: string } } };
  const names = cert?.subjectaltname?.replaceAll("DNS:", "") ?? cert?.subject?.CN;
  return names ? `: ${names.slice(0, 200)}` : "";
}

/** The fixed header of a CONNACK, which is the first packet that a broker sends [MQTT-3.2.0-1]. */
const CONNACK_HEADER = 0x20;

function toldOf({ error, firstBytes }: FailureInfo, address: BrokerAddress | null): Told | null {
  if (firstBytes && firstBytes[0] !== CONNACK_HEADER)
    return firstBytes.toString("latin1").startsWith("HTTP") ? WEB_SERVER : NOT_MQTT;
  const { code = "", message } = (error ?? new Error()) as NodeJS.ErrnoException;
  for (const [pattern, told] of BY_MESSAGE) {
    const match = pattern.exec(message);
    if (match) return told(match);
  }
  if (code === BROKEN_MQTT || (error && code === "" && firstBytes)) return broken(message);
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code] ?? null;
  if (address && !firstBytes && (error === null || RESETS.has(code))) return CLOSED_EARLY[address.scheme];
  return null;
}

/** This side ended the connection because of a received packet. */
export const isBrokersFault = (failure: FailureInfo): boolean =>
  !failure.said && toldOf(failure, null)?.code === "protocol-error";

/** Returns a reason in a few words. */
export function reasonOf({ error, firstBytes, said }: FailureInfo): string {
  if (said) return `the broker says: ${said.reason}`;
  if (!error) return "the other side closed it";
  const { code = "" } = error as NodeJS.ErrnoException;
  if (code === "ECONNRESET") return "the connection was reset";
  if (RESETS.has(code)) return "the connection was cut";
  return toldOf({ error, firstBytes }, null)?.reason ?? error.message;
}

/** Returns why there is no connection, and the hint. */
export function diagnose(failure: FailureInfo, address: BrokerAddress): Trouble {
  const broker = urlOf(address);
  const told = toldOf(failure, address) ?? NOT_MQTT;
  const { code, reason, sentence, hint = null, final = false } = told;
  const version = failure.isMqtt5 && told === CLOSED_EARLY[address.scheme] ? OR_NOT_MQTT_5 : "";
  const next = typeof hint === "function" ? hint(address) : hint;
  return {
    code,
    message:
      sentence?.(broker, failure.error ?? new Error(reason)) ?? `no broker answers at ${broker} (${reason}).`,
    hint: next && next + version,
    final,
  };
}
