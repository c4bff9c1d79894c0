/**
 * The parts of aedes 1.2.0 and mqtt-packet 9 that their own types leave out and this room relies on. aedes is pinned for
 * that, and test/peers/aedes-defects.test.ts fails when they change.
 */
// oxlint-disable no-underscore-dangle -- aedes' own names
import type { Aedes, Client, PublishPacket } from "aedes";
import { type Duplex, Readable } from "node:stream";
import { type Acknowledgment, isAcknowledgment } from "../session/acknowledgment-rules.js";
import { stringBytesProblem } from "../../protocol/topics.js";
import {
  packetFault,
  type ParsedPacket,
  connectProtocolFault,
  UNKNOWN_PROTOCOL,
} from "../../protocol/validate.js";
import { CLOSE_GRACE_MS, LimitError, type Limits, PIECE_OVERHEAD } from "../limits/limits.js";

const SECOND = 1000;

export type AedesClient = Client & {
  _disconnected: boolean;
  _parser: Parser;
  will: PublishPacket | null;
  /** Until CONNECT has come. */
  _connectTimer: NodeJS.Timeout | null;
  /** Started anew by each packet, if the interval, in milliseconds, is over 0. */
  _keepaliveTimer: NodeJS.Timeout | null;
  _keepaliveInterval: number;
  /** No more is read from the socket. */
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
  /** @returns bytes of a packet that is not complete */
  parse(bytes: Buffer): number;
  constructor: new () => { parser(): Parser };
}

export type AedesBroker = Aedes & {
  /** The registered connections by client identifier. */
  clients: Record<string, AedesClient>;
  maxTopicLevels: number;
  /** 0: as many as there are packet identifiers. */
  maxInflightInbound: number;
  registerClient(client: AedesClient): void;
  persistence: { createRetainedStreamCombi: () => Readable };
  /** For brokers that share a store: now and then it publishes what looks like a dead one's wills. */
  _clearWillInterval: NodeJS.Timeout;
  on(event: "error", listener: (error: Error) => void): unknown;
};

/** Whether a DISCONNECT has come. */
export const hasDisconnected = (client: AedesClient): boolean => client._disconnected;

/** Topics and QoS 2 have limits of ours, which aedes would not name. */
export function disableAedesLimits(broker: AedesBroker): void {
  broker.maxTopicLevels = Number.POSITIVE_INFINITY;
  broker.maxInflightInbound = 0;
}

/**
 * Distribution is ours: aedes' own would come after the acknowledgment, and out of order. Wills too: each is sent when
 * its connection ends, while aedes would take this broker for a dead one after a laptop's sleep.
 */
export function disableAedesDistribution(broker: AedesBroker): void {
  const nowhere = (_packet: unknown, client: unknown, done?: () => void) =>
    typeof client === "function" ? (client as () => void)() : done?.();
  broker.publish = nowhere;
  // What a subscription finds retained is sent by retained-sender.ts.
  broker.persistence.createRetainedStreamCombi = () => Readable.from([]);
  clearInterval(broker._clearWillInterval);
}

/**
 * A connection that ended while its will was being stored: registered after that it would never be let go of, and who
 * comes with its client identifier would wait for that.
 */
export function skipClosedClients(broker: AedesBroker): void {
  const register = broker.registerClient.bind(broker);
  broker.registerClient = client => {
    if (!client.closed) register(client);
  };
}

const nothing = (_topic: unknown, _listener: unknown, done?: () => void) => done?.();

/** Where aedes would distribute messages: nobody listens there. */
export const noEmitter = {
  concurrency: 0,
  current: 0,
  on: nothing,
  removeListener: nothing,
  emit: (_packet: unknown, done?: () => void) => done?.(),
  close: (done?: () => void) => done?.(),
};

/** CONNACK with return code 1, for a protocol level that the parser does not know. */
const UNACCEPTABLE_VERSION = Buffer.of(0x20, 2, 0, 1);
/**
 * Looks at each packet when it has been parsed; a fault is an error of the parser's.
 * @param acknowledged what is wrong with that acknowledgment, or null
 */
export function refuseInvalidPackets(
  { _parser: parser, conn }: AedesClient,
  acknowledged: (cmd: Acknowledgment, packetId: number) => string | null,
): void {
  const emitError = parser._emitError.bind(parser);
  parser._emitError = error => {
    if (error.message === UNKNOWN_PROTOCOL) conn.write(UNACCEPTABLE_VERSION); // [MQTT-3.1.2-2]
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
        (isAcknowledgment(packet.cmd) ? acknowledged(packet.cmd, packet.messageId ?? 0) : null));
    if (fault) {
      parser._emitError(new Error(fault));
      return false;
    }
    if (packet?.subscriptions) keepRepeatedFilters(packet, packet.subscriptions);
    return newPacket();
  };
}

/**
 * Answers to what came in one piece with DISCONNECT still go out: aedes would throw them away with the socket.
 * @param whenSafe calls when what has come so far is safe, which is when it is answered
 */
export function flushBeforeClose(
  client: AedesClient,
  socket: Duplex,
  whenSafe: (goOn: () => void) => void,
): void {
  const answered = (goOn: () => void) => setImmediate(() => whenSafe(() => setImmediate(goOn)));
  const destroy = socket.destroy.bind(socket);
  let isClosing = false;
  socket.destroy = error => {
    if (error || isClosing || !hasDisconnected(client)) return destroy(error);
    isClosing = true;
    client.pause(); // nothing counts behind DISCONNECT
    // FIN comes close behind it, at which Node and aedes would close at once.
    socket.allowHalfOpen = true;
    socket.removeAllListeners("end");
    answered(() => answered(() => socket.end(() => destroy()))); // PUBREC waits twice
    setTimeout(destroy, CLOSE_GRACE_MS).unref(); // it may not read
    return socket;
  };
}

/** Tells of each packet that is received, before anything is done about it, and of each that is sent. */
export function watchPackets(
  { _parser: received, conn }: AedesClient,
  tell: (direction: "sent" | "received", packet: { cmd: string }) => void,
): void {
  received.prependListener("packet", packet => tell("received", packet));
  const sent = new received.constructor().parser();
  sent.prependListener("packet", packet => tell("sent", packet));
  const write = conn.write.bind(conn) as (...args: unknown[]) => boolean;
  conn.write = (...args: unknown[]) => {
    sent.parse(args[0] as Buffer);
    return write(...args);
  };
}

/** Before the parser keeps any of it: how long a packet is stands at its beginning. */
export function refuseLargePackets({ _parser: parser }: AedesClient, max: number): void {
  const parseLength = parser._parseLength.bind(parser);
  parser._parseLength = () => {
    const known = parseLength();
    if (!known || (parser.packet?.length ?? 0) <= max) return known;
    parser._emitError(new LimitError({ name: "packet-bytes", max }));
    return false;
  };
}

/** Tells after each piece that was read how many bytes of memory a packet takes that is not complete. */
export function watchPartialPackets(
  { _parser: parser }: AedesClient,
  tell: (packet: object | null, bytes: number) => void,
): void {
  const parse = parser.parse.bind(parser);
  let pieces = 0;
  parser.parse = bytes => {
    const kept = parse(bytes);
    if (kept > 0 && kept < bytes.length) keepOnly(parser._list);
    pieces = kept > bytes.length ? pieces + 1 : 1;
    tell(parser.packet, kept === 0 ? 0 : kept + pieces * PIECE_OVERHEAD);
    return kept;
  };
}

/** Of a piece whose end is kept, all would be kept in memory. */
function keepOnly(list: Parser["_list"]): void {
  const kept = Buffer.from(list.slice());
  list.consume(kept.length);
  list.append(kept);
}

/** Ends a connection on which no CONNECT comes, whatever else does. */
export function limitConnectTime(client: AedesClient, { "connect-seconds": max }: Limits): void {
  if (client._connectTimer) clearTimeout(client._connectTimer);
  const tooLate = () => client.emit("error", new LimitError({ name: "connect-seconds", max }));
  client._connectTimer = setTimeout(tooLate, max * SECOND);
}

/** To be called when the client is connected: silence has an end, though its keep alive is longer, or 0. */
export function limitIdleTime(client: AedesClient, { "silent-seconds": max }: Limits): void {
  const { _keepaliveTimer: timer, _keepaliveInterval: interval } = client;
  if (client.closed || (timer && interval <= max * SECOND)) return;
  if (timer) clearTimeout(timer);
  const tooLong = () => client.emit("error", new LimitError({ name: "silent-seconds", max }));
  client._keepaliveInterval = max * SECOND;
  client._keepaliveTimer = setTimeout(tooLong, max * SECOND);
}

/** aedes drops a filter that a SUBSCRIBE has twice, and its return code with it [MQTT-3.9.3-1]. */
function keepRepeatedFilters(packet: ParsedPacket, all: unknown[]): void {
  Object.defineProperty(packet, "subscriptions", { get: () => all, set: () => {} });
}

/**
 * To be called at CONNECT: what came in one piece with it waits in the socket until the client is connected. aedes would
 * keep 42 packets of it, and none where the connection ends meanwhile; but clients need not wait for CONNACK.
 */
export function deferPipelined(client: AedesClient): void {
  const { _list: unread } = client._parser;
  const rest = unread.slice();
  client.pause(); // until aedes has sent CONNACK
  if (rest.length === 0) return;
  unread.consume(rest.length);
  client.conn.unshift(rest);
}

/**
 * Every string in a packet has to be UTF-8 without U+0000 [MQTT-1.5.3-1, 1.5.3-2]; the parser would replace what isn't,
 * and pass on the rest.
 */
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
