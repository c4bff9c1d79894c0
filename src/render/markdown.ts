import { escapeText } from "./escape.js";

/** What Markdown would take for more than text. */
const SPECIAL = /[\\`*_[\]<>|~&#]/g;

/** Text from anywhere, as a line of Markdown that says nothing else. */
export const escaped = (text: string): string => escapeText(text).replaceAll(SPECIAL, "\\$&");
