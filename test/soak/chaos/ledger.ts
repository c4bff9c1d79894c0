/** The messages of one publisher on one topic, while its state lives: `seq` counts from 1. */
export interface Stream {
  topic: string;
  qos: 1 | 2;
  retain: boolean;
  /** A PUBACK or PUBREC was seen. */
  acknowledged: Set<number>;
}

/** The messages that a stored session received. */
export interface Deliveries {
  qos: 1 | 2;
  /** By run: each `seq`, as it came. A QoS 2 message that is sent again under its packet identifier came once. */
  byRun: Map<string, number[]>;
}

/** How often a will has to come, and may: a connection that died before its CONNACK may have been one, or none. */
export interface WillCount {
  least: number;
  most: number;
  out: number;
}

/** The fields of a message in JSON. */
interface Content {
  run: string;
  seq: number;
}

/** Observations from outside the broker. The verdict uses nothing else. */
export class Ledger {
  /** By run; of one topic, from the oldest on. */
  readonly streams = new Map<string, Stream>();
  readonly sessions = new Map<string, Deliveries>();
  /** By payload. */
  readonly wills = new Map<string, WillCount>();
  /** By topic, what a new subscriber finds at the end. */
  readonly retained = new Map<string, Content>();
  /** How often a broker did not know a session any more. */
  forgotten = 0;
  /** Work that had not finished when all was quiet. */
  readonly stuck: string[] = [];

  stream(run: string, topic: string, qos: 1 | 2, retain: boolean): Stream {
    const known = this.streams.get(run);
    if (known) return known;
    const stream: Stream = { topic, qos, retain, acknowledged: new Set() };
    this.streams.set(run, stream);
    return stream;
  }

  session(name: string, qos: 1 | 2): Deliveries {
    const deliveries: Deliveries = { qos, byRun: new Map() };
    this.sessions.set(name, deliveries);
    return deliveries;
  }

  will(payload: string): WillCount {
    const known = this.wills.get(payload);
    if (known) return known;
    const will = { least: 0, most: 0, out: 0 };
    this.wills.set(payload, will);
    return will;
  }
}

export const contentOf = (payload: string) => JSON.parse(payload) as Content;

export function delivered({ byRun }: Deliveries, payload: string): void {
  const { run, seq } = contentOf(payload);
  const came = byRun.get(run);
  if (came) came.push(seq);
  else byRun.set(run, [seq]);
}
