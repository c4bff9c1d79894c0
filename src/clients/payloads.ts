import { linesOf } from "../lines.js";
import { makeReading, newRun } from "../reading.js";
import type { PubSettings } from "../settings/pub.js";

export interface Payload {
  payload: string | Buffer;
  run?: string;
  seq?: number;
}

/** Gives one payload after the other; null when there are no more. */
export type Payloads = () => Payload | Promise<Payload | null>;

const CARRIAGE_RETURN = 0x0d;

const kinds: {
  [Kind in PubSettings["source"]["kind"]]: (
    source: Extract<PubSettings["source"], { kind: Kind }>,
    input: () => AsyncIterable<Buffer>,
  ) => Payloads;
} = {
  readings: () => {
    const run = newRun();
    let seq = 0;
    return () => {
      seq += 1;
      return { payload: JSON.stringify(makeReading(run, seq)), run, seq };
    };
  },
  message:
    ({ payload }) =>
    () => ({ payload }),
  stdin: (_source, input) => {
    const lines = linesOf(input());
    return async () => {
      const { value, done } = await lines.next();
      return done ? null : { payload: withoutCarriageReturn(value) };
    };
  },
};

/** What a run publishes, from the first to the last. */
export const payloadsOf = <Kind extends PubSettings["source"]["kind"]>(
  source: Extract<PubSettings["source"], { kind: Kind }>,
  input: () => AsyncIterable<Buffer>,
): Payloads => kinds[source.kind as Kind](source, input);

/** Windows ends lines with both. */
const withoutCarriageReturn = (line: Buffer) =>
  line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
