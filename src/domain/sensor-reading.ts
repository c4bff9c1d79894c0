import type { MachineState, ParsedPayload } from "../events/events.js";

/**
 * The course's keys, which its other scripts read, and two of our own. `run` is new for each run of pub-lwt, and `seq`
 * counts in it from 1: with them a subscriber detects missing and duplicate readings and a wrong order.
 */
export interface SensorReading {
  machine_id: number;
  /** ISO 8601 with zone. */
  sentDate: string;
  /** 10 to 50, two decimals. The course defines the units of this value and the next two. */
  Temperature: number;
  /** 50 to 100. */
  Pressure: number;
  /** 10 to 100. */
  Humidity: number;
  Status: "ON" | "OFF";
  /** 8 hex digits. */
  run: string;
  seq: number;
}

/** The course's publisher sends this number for every machine. */
const MACHINE_ID = 200;

/** Uses Math.random, because node:crypto takes 4 ms to load and a guessed run does no harm. */
export const newRunId = (): string =>
  Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");

const randomBetween = (low: number, high: number) =>
  Math.round((low + Math.random() * (high - low)) * 100) / 100;

export const makeReading = (run: string, seq: number): SensorReading => ({
  machine_id: MACHINE_ID,
  sentDate: new Date().toISOString(),
  Temperature: randomBetween(10, 50),
  Pressure: randomBetween(50, 100),
  Humidity: randomBetween(10, 100),
  Status: Math.random() < 0.5 ? "ON" : "OFF",
  run,
  seq,
});

/** A field is null if the payload lacks it, or has it in another form. */
export interface ReadingId {
  run: string | null;
  seq: number | null;
  /** Milliseconds since 1970, by the sender's clock. */
  sentAt: number | null;
}

const NO_READING: ReadingId = { run: null, seq: null, sentAt: null };

export function readingId(fields: ParsedPayload["fields"]): ReadingId {
  if (!fields) return NO_READING;
  const { run, seq, sentDate } = fields;
  const sentAt = typeof sentDate === "string" ? Date.parse(sentDate) : Number.NaN;
  const isReading =
    typeof run === "string" && /^[0-9a-f]{8}$/.test(run) && Number.isSafeInteger(seq) && Number(seq) >= 1;
  return {
    run: isReading ? run : null,
    seq: isReading ? Number(seq) : null,
    sentAt: Number.isNaN(sentAt) ? null : sentAt,
  };
}

/** The payload as a JSON object; null if it is anything else. Never throws: payloads are untrusted. */
export function parseObject(payload: string): Record<string, unknown> | null {
  if (!payload.startsWith("{")) return null;
  try {
    return JSON.parse(payload) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** The parsed payload of a `message` event, which JSON.stringify leaves out. */
export class ParsedMessage implements ParsedPayload {
  constructor(
    readonly fields: ParsedPayload["fields"],
    readonly state: MachineState | null,
    readonly matchesFilter: boolean,
  ) {}

  toJSON(): undefined {
    return undefined;
  }
}
