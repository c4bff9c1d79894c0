import type { DescribedSetting } from "../events.js";
import { cut, pad } from "./columns.js";
import { escapeText } from "./escape.js";

const NAME_WIDTH = 18;
const FROM_WIDTH = 28;

/** Every setting a line: its name, its value, and where it came from. */
export function settingsText(settings: DescribedSetting[], width: number): string {
  const valueWidth = width - NAME_WIDTH - FROM_WIDTH - 2;
  const lines = settings.map(({ name, value, from }) => {
    const shown = cut(escapeText(value ?? "-"), valueWidth);
    return `${pad(name, NAME_WIDTH)} ${pad(shown, valueWidth)} ${cut(escapeText(from), FROM_WIDTH)}`;
  });
  return lines.join("\n");
}
