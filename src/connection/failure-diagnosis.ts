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
    return "Check host and port in --broker, and that a broker runs there. For other computers: npx lwt-broker --host 0.0.0.0";
  const where = scheme === "mqtt" && port === USUAL_PORT ? "" : ` ${LISTENS[scheme]} ${port}`;
  return `Start one in another terminal: npx lwt-broker${where}`;
}
const OTHER_NETWORK =
  "Try another network, --broker hivemq, or a broker on this machine: npx lwt-broker. Many networks block the ports of MQTT.";

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
  sentence: broker => `cannot trust the certificate of ${broker}: ${reason}.`,
  hint: "If you know the broker, name the certificate that signed its own: --cafile FILE",
  final: true,
});

const notTls: Told = {
  code: "not-tls",
  reason: "what answers is not TLS",
  sentence: broker => `${broker} answered, but not in TLS.`,
  hint: address => `Try without TLS: ${withScheme(address.scheme === "wss" ? "ws" : "mqtt", address)}`,
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
    reason: "no network leads there",
    hint: "Check the network: is this computer online?",
  },
  EACCES: {
    code: "not-permitted",
    reason: "this computer does not allow it",
    hint: "Check the firewall of this computer, or use a broker on this machine: npx lwt-broker",
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted("it is signed by itself"),
  SELF_SIGNED_CERT_IN_CHAIN: untrusted("its signer is unknown on this computer"),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted("its signer is unknown on this computer"),
  UNABLE_TO_GET_ISSUER_CERT: untrusted("its signer is unknown on this computer"),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted("its signer is unknown on this computer"),
  CERT_HAS_EXPIRED: {
    ...untrusted("it has expired"),
    code: "certificate-expired",
    hint: "Check the clock of this computer. If it is right, the broker's owner must renew the certificate.",
  },
  CERT_NOT_YET_VALID: {
    ...untrusted("it is not yet valid"),
    hint: "Check the clock of this computer. If it is right, ask the broker's owner for a certificate that is valid now.",
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: "wrong-host",
    reason: "its certificate is for another host",
    sentence: (broker, error) => `the certificate of ${broker} is for another host${namesIn(error)}.`,
    hint: "Use a host name of the certificate in --broker. Otherwise this may be another broker.",
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
    sentence: broker => `${broker} accepted the connection, and closed it without CONNACK.`,
    hint: address =>
      `If it is a TLS port: ${withScheme("mqtts", address)}. Otherwise it is probably no MQTT broker.`,
  },
  mqtts: {
    code: "not-tls",
    reason: "the connection was closed during the TLS handshake",
    sentence: broker => `${broker} closed the connection during the TLS handshake.`,
    hint: address => `Try without TLS: ${withScheme("mqtt", address)}`,
  },
  ws: {
    code: "not-websocket",
    reason: "the connection was closed during the WebSocket handshake",
    sentence: broker => `${broker} closed the connection during the WebSocket handshake.`,
    hint: address =>
      `Try MQTT without WebSocket: ${withScheme("mqtt", address)}, or TLS: ${withScheme("wss", address)}`,
  },
  wss: {
    code: "not-tls",
    reason: "the connection was closed during the TLS handshake",
    sentence: broker => `${broker} closed the connection during the TLS and WebSocket handshakes.`,
    hint: address => `Try without TLS: ${withScheme("ws", address)}`,
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
      sentence: broker => `a web server answered at ${broker}, but without WebSocket (HTTP ${status}).`,
      hint: "Check port and path. Most brokers use the path /mqtt or /ws.",
    }),
  ],
  [
    /parse error: expected http/i,
    () => ({
      code: "not-websocket",
      reason: "what answers is not HTTP",
      sentence: broker => `${broker} answered, but not in HTTP.`,
      hint: address => `Try MQTT without WebSocket: ${withScheme("mqtt", address)}`,
    }),
  ],
  [
    /certificate required|handshake failure/i,
    () => ({
      code: "certificate-wanted",
      reason: "it requires a certificate of this client",
      sentence: broker => `the broker at ${broker} requires a certificate of this client.`,
      hint: "Add --cert FILE and --key FILE.",
      final: true,
    }),
  ],
  [
    /SSL routines:[^:]*:([^:]*alert[^:]*):/i,
    ([, alert]) => ({
      code: "tls-refused",
      reason: `TLS was refused: ${alert}`,
      sentence: broker => `the broker at ${broker} refused TLS (${alert}).`,
      hint: "Check --cert and --key with the broker's owner.",
      final: true,
    }),
  ],
];

/** RabbitMQ 3.10 does this. */
const OR_NOT_MQTT_5 = " If it does not speak MQTT 5, omit --protocol-version 5.";

const WEB_SERVER: Told = {
  code: "not-mqtt",
  reason: "a web server answers there",
  sentence: broker => `a web server answered at ${broker}, not an MQTT broker.`,
  hint: address => `For MQTT over WebSocket: ${withScheme("ws", address)}/mqtt`,
};
/** Includes what mqtt.js cannot parse: its errors have no code. */
const NOT_MQTT: Told = {
  code: "not-mqtt",
  reason: "what answers is not MQTT",
  sentence: broker => `${broker} answered, but not in MQTT.`,
  hint: "Check host and port in --broker. Probably it is no MQTT broker.",
};

/** Returns the violation of MQTT that the framer or mqtt.js found. */
const broken = (what: string): Told => ({
  code: "protocol-error",
  reason: `the broker sent a packet that MQTT forbids: ${what}`,
  sentence: broker => `the broker at ${broker} sent a packet that MQTT forbids: ${what}.`,
  hint: "Compare with another broker: npx lwt-broker. To see every packet: --debug",
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
