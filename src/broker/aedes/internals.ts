/**
 * The parts of aedes 1.2.0 and mqtt-packet 9 that their own types leave out and the engine relies on. Therefore aedes is
 * pinned, and test/peers/aedes-defects.test.ts fails when they change.
 */
// oxlint-disable no-underscore-dangle -- aedes' own names
import type { Aedes, Client, PublishPacket } from "aedes";
import { writeToStream } from "mqtt-packet";
import type { Duplex } from "node:stream";
import { type Acknowledgment, isAcknowledgment } from "../session/acknowledgment-rules.js";
import { refusingConnack } from "../../protocol/encode.js";
import { ReturnCode } from "../../protocol/return-codes.js";
import { stringBytesProblem } from "../../protocol/topics.js";
import {
  packetFault,
  type ParsedPacket,
  connectProtocolFault,
  UNKNOWN_PROTOCOL,
} from "../../protocol/validate.js";
import { CLOSE_GRACE_MS, LimitError, type Limits, PIECE_OVERHEAD } from "../limits/limits.js";

writeToStream.cacheNumbers = false; // its table of 65 536 buffers takes 32 ms and 18 MB, and saves no time

const SECOND_MS = 1000;

export type AedesClient = Client & {
  _disconnected: boolean;
  _parser: Parser;
  will: PublishPacket | null;
  /** Runs until CONNECT comes. */
  _connectTimer: NodeJS.Timeout | null;
  /** Restarted by each packet. The interval is in milliseconds, and -1 without keep alive. */
  _keepaliveTimer: NodeJS.Timeout | null;
  _keepaliveInterval: number;
  /** Stops reading from the socket. */
  pause(): void;
};

interface Parser {
  _list: {
    slice(start?: number, end?: number): Buffer;
    consume(bytes: number): void;
    append(bytes: Buffer): void;
  };
  _pos: number;
  packet: ParsedPacket | null;
  _parseString(): string | null;
  _parseConnect(): unknown;
  _parseLength(): boolean;
  _newPacket(): boolean;
  _emitError(error: Error): void;
  prependListener(event: "packet", listener: (packet: ParsedPacket) => void): unknown;
  /** Returns the bytes of an incomplete packet. */
  parse(bytes: Buffer): number;
  constructor: new () => { parser(): Parser };
}

export type AedesBroker = Aedes & {
  /** The registered connections by client identifier. */
  clients: Record<string, AedesClient>;
  maxTopicLevels: number;
  mq: object;
  registerClient(client: AedesClient): void;
  /** Publishes the wills of other brokers on the same store that have sent no heartbeat. */
  _clearWillInterval: NodeJS.Timeout;
  on(event: "error", listener: (error: Error) => void): unknown;
};

export const hasDisconnected = (client: AedesClient): boolean => client._disconnected;

/**
 * Replaces aedes' limit of topic levels by our own, which names itself. @throws Error with aedes' own emitter: it fails
 * at more than 100 levels
 */
export function disableTopicLevelLimit(broker: AedesBroker): void {
  if (broker.mq !== noEmitter) throw new Error("only noEmitter takes topics of any depth");
  broker.maxTopicLevels = Number.POSITIVE_INFINITY;
}

/**
 * Stops aedes from distributing messages: it would do so after the acknowledgment, and out of order. Stops its will timer
 * too: after a laptop's sleep it takes this broker for a crashed one.
 */
export function disableAedesDistribution(broker: AedesBroker): void {
  const nowhere = (_packet: unknown, client: unknown, done?: () => void) =>
    typeof client === "function" ? (client as () => void)() : done?.();
  broker.publish = nowhere;
  clearInterval(broker._clearWillInterval);
}

/**
 * Keeps aedes from registering a client whose connection ended while its will was being stored. aedes would never
 * unregister it, and the next client with this identifier would wait for that.
 */
export function skipClosedClients(broker: AedesBroker): void {
  const register = broker.registerClient.bind(broker);
  broker.registerClient = client => {
    if (!client.closed) register(client);
  };
}

const nothing = (_topic: unknown, _listener: unknown, done?: () => void) => done?.();

/** Replaces mqemitter, through which aedes would distribute messages. */
export const noEmitter = {
  concurrency: 0,
  current: 0,
  on: nothing,
  removeListener: nothing,
  emit: (_packet: unknown, done?: () => void) => done?.(),
  close: (done?: () => void) => done?.(),
};

/** Checks each parsed packet. The parser reports a fault as its error. */
export function refuseInvalidPackets(
  { _parser: parser, conn }: AedesClient,
  acknowledgmentFault: (cmd: Acknowledgment, packetId: number) => string | null,
): void {
  const emitError = parser._emitError.bind(parser);
  parser._emitError = error => {
    if (error.message === UNKNOWN_PROTOCOL)
      conn.write(refusingConnack(ReturnCode.unacceptableProtocolVersion)); // [MQTT-3.1.2-2]
    emitError(error);
  };
  const parseConnect = parser._parseConnect.bind(parser);
  parser._parseConnect = () => {
    const fault = connectProtocolFault(parser._list.slice(0, parser.packet?.length));
    return fault === null ? parseConnect() : parser._emitError(new Error(fault));
  };
  const newPacket = parser._newPacket.bind(parser);
  parser._newPacket = () => {
    const { packet } = parser;
    const fault =
      packet &&
      (packetFault(packet, parser._pos) ??
        (isAcknowledgment(packet.cmd) ? acknowledgmentFault(packet.cmd, packet.messageId ?? 0) : null));
    if (fault) {
      parser._emitError(new Error(fault));
      return false;
    }
    if (packet?.subscriptions) keepRepeatedFilters(packet, packet.subscriptions);
    return newPacket();
  };
}

/**
 * Sends the answers to packets that came together with DISCONNECT; aedes would discard them with the socket.
 * @param onDurable calls back when all packets so far are durable, which is when they are answered
 */
export function flushBeforeClose(
  client: AedesClient,
  socket: Duplex,
  onDurable: (goOn: () => void) => void,
): void {
  const answered = (goOn: () => void) => setImmediate(() => onDurable(() => setImmediate(goOn)));
  const destroy = socket.destroy.bind(socket);
  let isClosing = false;
  socket.destroy = error => {
    if (error || isClosing || !hasDisconnected(client)) return destroy(error);
    isClosing = true;
    client.pause(); // packets after DISCONNECT do not count
    // On FIN, which follows, Node and aedes would close at once.
    socket.allowHalfOpen = true;
    socket.removeAllListeners("end");
    answered(() => answered(() => socket.end(() => destroy()))); // PUBREC waits twice
    setTimeout(destroy, CLOSE_GRACE_MS).unref(); // the client may not read
    return socket;
  };
}

/** Reports each received packet before it is handled, and each sent packet. */
export function watchPackets(
  { _parser: received, conn }: AedesClient,
  report: (direction: "sent" | "received", packet: { cmd: string }) => void,
): void {
  received.prependListener("packet", packet => report("received", packet));
  const sent = new received.constructor().parser();
  sent.prependListener("packet", packet => report("sent", packet));
  const write = conn.write.bind(conn) as (...args: unknown[]) => boolean;
  conn.write = (...args: unknown[]) => {
    sent.parse(args[0] as Buffer);
    return write(...args);
  };
}

/** Refuses a large packet by the length in its fixed header, before the parser stores any of it. */
export function refuseLargePackets({ _parser: parser }: AedesClient, max: number): void {
  const parseLength = parser._parseLength.bind(parser);
  parser._parseLength = () => {
    const known = parseLength();
    if (!known || (parser.packet?.length ?? 0) <= max) return known;
    parser._emitError(new LimitError({ name: "packet-bytes", max }));
    return false;
  };
}

/** Reports after each read how many bytes of memory the incomplete packet takes. */
export function watchPartialPackets(
  { _parser: parser }: AedesClient,
  report: (packet: object | null, bytes: number) => void,
): void {
  const parse = parser.parse.bind(parser);
  let pieces = 0;
  parser.parse = bytes => {
    const unparsed = parse(bytes);
    if (unparsed > 0 && unparsed < bytes.length) copyRest(parser._list);
    pieces = unparsed > bytes.length ? pieces + 1 : 1;
    report(parser.packet, unparsed === 0 ? 0 : unparsed + pieces * PIECE_OVERHEAD);
    return unparsed;
  };
}

/** Copies the rest of a chunk, which would hold all of the chunk in memory. */
function copyRest(list: Parser["_list"]): void {
  const rest = Buffer.from(list.slice());
  list.consume(rest.length);
  list.append(rest);
}

/** Ends a connection without CONNECT, even if other data comes. */
export function limitConnectTime(client: AedesClient, { "connect-seconds": max }: Limits): void {
  if (client._connectTimer) clearTimeout(client._connectTimer);
  const tooLate = () => client.emit("error", new LimitError({ name: "connect-seconds", max }));
  client._connectTimer = setTimeout(tooLate, max * SECOND_MS);
}

/** Limits the silence of a connected client whose keep alive is longer, or 0. */
export function limitIdleTime(client: AedesClient, { "silent-seconds": max }: Limits): void {
  const { _keepaliveTimer: timer, _keepaliveInterval: interval } = client;
  if (client.closed || (timer && interval <= max * SECOND_MS)) return;
  if (timer) clearTimeout(timer);
  const tooLong = () => client.emit("error", new LimitError({ name: "silent-seconds", max }));
  client._keepaliveInterval = max * SECOND_MS;
  client._keepaliveTimer = setTimeout(tooLong, max * SECOND_MS);
}

/** Keeps aedes from dropping a repeated filter of a SUBSCRIBE, and its return code with it [MQTT-3.9.3-1]. */
function keepRepeatedFilters(packet: ParsedPacket, all: unknown[]): void {
  Object.defineProperty(packet, "subscriptions", { get: () => all, set: () => {} });
}

/**
 * Returns data that came together with CONNECT to the socket until the client is connected: clients need not wait for
 * CONNACK. aedes would queue 42 packets, and none if the connection ends meanwhile.
 */
export function deferPipelined(client: AedesClient): void {
  const { _list: unparsed } = client._parser;
  const rest = unparsed.slice();
  client.pause(); // until aedes has sent CONNACK
  if (rest.length === 0) return;
  unparsed.consume(rest.length);
  client.conn.unshift(rest);
}

/** Refuses strings that are not UTF-8 or contain U+0000 [MQTT-1.5.3-1, 1.5.3-2]; the parser would replace the bytes. */
export function refuseInvalidStrings({ _parser: parser }: AedesClient): void {
  const parse = parser._parseString.bind(parser);
  parser._parseString = () => {
    const start = parser._pos + 2;
    const text = parse();
    const problem =
      text === null ? null : stringBytesProblem(text, () => parser._list.slice(start, parser._pos));
    if (problem) parser._emitError(new Error(problem));
    return text;
  };
}
