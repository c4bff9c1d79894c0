/**
 * Text from the network, made safe for a terminal and for a line of JSON. Everything that could move the cursor,
 * break a line, hide, or reverse what a reader sees is shown as its escape: C0 (line feed and tab too), DEL, C1, bidi
 * and zero-width characters, line separators, tag characters, lone surrogates.
 */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;

const escapeOne = (character: string) =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");

/** The text with every unsafe character as \u escapes; a backslash stays as it is. */
export const escapeText = (text: string): string => text.replace(UNSAFE, escapeOne);

/** One JSON line, without its line feed, that is safe in a terminal and for readers that split at U+2028. */
export const jsonLine = (value: unknown): string => JSON.stringify(value).replace(UNSAFE, escapeOne);
