import { splitLineBatches } from "../util/split-lines.js";
import { makeReading, newRunId } from "../domain/sensor-reading.js";
import type { PubSettings } from "../config/settings/pub-settings.js";

export interface Payload {
  payload: string | Buffer;
  run?: string;
  seq?: number;
}

/** Returns the next payload; null after the last. */
export type Payloads = () => Payload | Promise<Payload | null>;

const CARRIAGE_RETURN = 0x0d;

export function payloadsOf(source: PubSettings["source"], input: () => AsyncIterable<Buffer>): Payloads {
  if (source.kind === "stdin") return linesFrom(input());
  return source.kind === "readings" ? readings() : () => ({ payload: source.payload });
}

function readings(): Payloads {
  const run = newRunId();
  let seq = 0;
  return () => {
    seq += 1;
    return { payload: JSON.stringify(makeReading(run, seq)), run, seq };
  };
}

function linesFrom(input: AsyncIterable<Buffer>): Payloads {
  const batches = splitLineBatches(input);
  let lines: Buffer[] = [];
  let index = 0;
  const next = (): ReturnType<Payloads> => {
    const line = lines[index];
    index += 1;
    return line === undefined ? readBatch() : { payload: withoutCarriageReturn(line) };
  };
  const readBatch = async () => {
    const batch = await batches.next();
    if (batch.done) return null;
    lines = batch.value;
    index = 0;
    return next();
  };
  return next;
}

/** Windows ends lines with CR and LF. */
const withoutCarriageReturn = (line: Buffer) =>
  line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
