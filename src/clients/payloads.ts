import { splitLineBatches } from "../util/split-lines.js";
import { makeReading, newRun } from "../domain/sensor-reading.js";
import type { PubSettings } from "../config/settings/pub-settings.js";

export interface Payload {
  payload: string | Buffer;
  run?: string;
  seq?: number;
}

/** Gives one payload after the other; null when there are no more. */
export type Payloads = () => Payload | Promise<Payload | null>;

const CARRIAGE_RETURN = 0x0d;

/** What a run publishes, from the first to the last. */
export function payloadsOf(source: PubSettings["source"], input: () => AsyncIterable<Buffer>): Payloads {
  if (source.kind === "stdin") return linesFrom(input());
  return source.kind === "readings" ? readings() : () => ({ payload: source.payload });
}

function readings(): Payloads {
  const run = newRun();
  let seq = 0;
  return () => {
    seq += 1;
    return { payload: JSON.stringify(makeReading(run, seq)), run, seq };
  };
}

function linesFrom(input: AsyncIterable<Buffer>): Payloads {
  const pieces = splitLineBatches(input);
  let lines: Buffer[] = [];
  let taken = 0;
  const take = (): ReturnType<Payloads> => {
    const line = lines[taken];
    taken += 1;
    return line === undefined ? takeFromNext() : { payload: withoutCarriageReturn(line) };
  };
  const takeFromNext = async () => {
    const piece = await pieces.next();
    if (piece.done) return null;
    lines = piece.value;
    taken = 0;
    return take();
  };
  return take;
}

/** Windows ends lines with both. */
const withoutCarriageReturn = (line: Buffer) =>
  line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
