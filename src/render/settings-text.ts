import type { DescribedSetting } from "../events/events.js";
import { columnsOf, cut, fold, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";

/** The widest that the first and the last column get. */
const WIDEST = { name: 18, from: 32 };

/** Every setting: its name, its value on as many lines as it takes, and where it came from. */
export function settingsText(settings: DescribedSetting[], width: number): string {
  const rows = settings.map(({ name, value, from }) => ({
    name: cut(escapeText(name), WIDEST.name),
    value: escapeText(value ?? "-"),
    from: cut(escapeText(from), WIDEST.from),
  }));
  const widest = (column: "name" | "value" | "from") =>
    Math.max(0, ...rows.map(({ [column]: text }) => columnsOf(text)));
  const nameWidth = widest("name");
  const valueWidth = Math.min(widest("value"), width - nameWidth - widest("from") - 4);
  return rows
    .map(({ name, value, from }) => {
      const [first = "", ...rest] = fold(value, valueWidth, "").split("\n");
      const line = `${pad(name, nameWidth)}  ${pad(first, valueWidth)}  ${from}`;
      return [line, ...rest.map(more => " ".repeat(nameWidth + 2) + more)].join("\n");
    })
    .join("\n");
}
