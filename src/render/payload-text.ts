import type { ParsedPayload } from "../events/events.js";
import { parseObject } from "../domain/sensor-reading.js";
import { columnsOf, cut } from "./text-layout.js";
import { escapeText } from "./escape.js";

/** UTF-16 units. A longer payload shows as text. */
const MAX_READING_LENGTH = 999;

/** The course's keys, as a line shows them. */
const shown = ["Temperature", "Pressure", "Humidity"];

/** A payload in so many columns: a reading by its values, anything else as its text. */
export function payloadText(
  payload: string | null,
  payloadBase64: string | null,
  width: number,
  parsed?: ParsedPayload["fields"],
): string {
  if (payload === null) return cut(`not UTF-8: ${escapeText(payloadBase64?.slice(0, width) ?? "")}`, width);
  if (payload === "") return cut("(empty payload)", width);
  const fields =
    payload.length > MAX_READING_LENGTH ? null : parsed === undefined ? parseObject(payload) : parsed;
  if (!fields || !shown.every(key => typeof fields[key] === "number"))
    return cut(beginning(payload, width), width);
  const values = shown.map(key => `${key} ${(fields[key] as number).toFixed(2)}`);
  return listed([...values, escapeText(String(fields["Status"]))], width);
}

/** As many as fit whole: half a number would be a wrong one. */
function listed(values: string[], width: number): string {
  const all = values.join("  ");
  if (columnsOf(all) <= width) return all;
  const fitting = values.map((_, i) => `${values.slice(0, i).join("  ")} …`.trimStart());
  return fitting.findLast(text => columnsOf(text) <= width) ?? "";
}

/** Of a payload that may be megabytes long, no more than could be shown. */
function beginning(payload: string, width: number): string {
  const start = payload.slice(0, 2 * width);
  return start.length < payload.length ? `${escapeText(start)}…` : escapeText(start);
}
