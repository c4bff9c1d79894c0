import type { DescribedSetting } from "../events/events.js";
import { displayWidth, truncate, wrapHard, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";

/** Columns. */
const MAX_WIDTHS = { name: 18, from: 32 };

export function settingsText(settings: DescribedSetting[], width: number): string {
  const rows = settings.map(({ name, value, from }) => ({
    name: truncate(escapeText(name), MAX_WIDTHS.name),
    value: escapeText(value ?? "-"),
    from: truncate(escapeText(from), MAX_WIDTHS.from),
  }));
  const widest = (column: "name" | "value" | "from") =>
    Math.max(0, ...rows.map(({ [column]: text }) => displayWidth(text)));
  const nameWidth = widest("name");
  const valueWidth = Math.min(widest("value"), width - nameWidth - widest("from") - 4);
  return rows
    .map(({ name, value, from }) => {
      const [first = "", ...rest] = wrapHard(value, valueWidth, "").split("\n");
      const line = `${pad(name, nameWidth)}  ${pad(first, valueWidth)}  ${from}`;
      return [line, ...rest.map(more => " ".repeat(nameWidth + 2) + more)].join("\n");
    })
    .join("\n");
}
