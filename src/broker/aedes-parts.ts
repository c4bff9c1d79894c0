/**
 * The parts of aedes 1.2.0 and mqtt-packet 9 that their own types leave out and this room relies on. aedes is pinned for
 * that, and test/broker.test.ts fails when they change.
 */
// oxlint-disable no-underscore-dangle -- aedes' own names
import type { Aedes, Client, PublishPacket } from "aedes";
import { stringBytesProblem } from "../topics.js";

export type AedesClient = Client & {
  _disconnected: boolean;
  _parser: Parser;
  will: PublishPacket | null;
  /** Once connected, aedes calls it for what a new subscription finds retained. */
  deliverQoS: (message: PublishPacket, done: () => void) => void;
};

interface Parser {
  _list: { slice(start: number, end: number): Buffer };
  _pos: number;
  _parseString(): string | null;
  _emitError(error: Error): void;
}

export type AedesBroker = Aedes & {
  /** The registered connections by client identifier. */
  clients: Record<string, AedesClient>;
  on(event: "error", listener: (error: Error) => void): unknown;
};

/** Whether a DISCONNECT has come. */
export const hasDisconnected = (client: AedesClient): boolean => client._disconnected;

/** Distribution is ours: aedes' own would come after the acknowledgment, and out of order. */
export function takeOverDistribution(broker: AedesBroker): void {
  const nowhere = (_packet: unknown, client: unknown, done?: () => void) =>
    typeof client === "function" ? (client as () => void)() : done?.();
  broker.publish = nowhere;
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

/**
 * Every string in a packet has to be UTF-8 without U+0000 [MQTT-1.5.3-1, 1.5.3-2]; the parser would replace what isn't,
 * and pass on the rest.
 */
export function refuseBadStrings({ _parser: parser }: AedesClient): void {
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
