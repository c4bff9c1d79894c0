import { escapeText } from "./escape.js";

const MARKDOWN_SYNTAX = /[\\`*_[\]<>|~&#]/g;

/** Untrusted text as a line of Markdown. */
export const escapeMarkdown = (text: string): string => escapeText(text).replaceAll(MARKDOWN_SYNTAX, "\\$&");
