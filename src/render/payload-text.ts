import type { ParsedPayload } from "../events/events.js";
import { parseObject } from "../domain/sensor-reading.js";
import { displayWidth, truncate } from "./text-layout.js";
import { escapeText } from "./escape.js";

/** UTF-16 units. A longer payload shows as text. */
const MAX_READING_LENGTH = 999;

/** The course's keys that a line shows. */
const READING_KEYS = ["Temperature", "Pressure", "Humidity"];

/** A reading by its values, any other payload as its text. `parsed` spares parsing it again. */
export function payloadText(
  payload: string | null,
  payloadBase64: string | null,
  width: number,
  parsed?: ParsedPayload["fields"],
): string {
  if (payload === null)
    return truncate(`not UTF-8: ${escapeText(payloadBase64?.slice(0, width) ?? "")}`, width);
  if (payload === "") return truncate("(empty payload)", width);
  const fields =
    payload.length > MAX_READING_LENGTH ? null : parsed === undefined ? parseObject(payload) : parsed;
  if (!fields || !READING_KEYS.every(key => typeof fields[key] === "number"))
    return truncate(beginningOf(payload, width), width);
  const values = READING_KEYS.map(key => `${key} ${(fields[key] as number).toFixed(2)}`);
  return joinFitting([...values, escapeText(String(fields["Status"]))], width);
}

/** As many values as fit: part of a number would be a wrong number. */
function joinFitting(values: string[], width: number): string {
  const all = values.join("  ");
  if (displayWidth(all) <= width) return all;
  const fitting = values.map((_, i) => `${values.slice(0, i).join("  ")} …`.trimStart());
  return fitting.findLast(text => displayWidth(text) <= width) ?? "";
}

/** A payload may be megabytes long: only escapes the visible part. */
function beginningOf(payload: string, width: number): string {
  const start = payload.slice(0, 2 * width);
  return start.length < payload.length ? `${escapeText(start)}…` : escapeText(start);
}
