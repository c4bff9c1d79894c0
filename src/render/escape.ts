/**
 * Text from the network, made safe for a terminal and for a line of JSON. Everything that could move the cursor,
 * break a line, hide, or reverse what a reader sees is shown as its escape: C0 (line feed and tab too), DEL, C1, line
 * separators, lone surrogates, annotations, and what Unicode says is not to be seen: bidi and zero-width characters,
 * fillers, tags, variation selectors. Of these the first sixteen stay, since emoji are written with them.
 */
const UNSAFE = new RegExp(
  String.raw`[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u{fff9}-\u{fffb}[\p{Default_Ignorable_Code_Point}--[\u{fe00}-\u{fe0f}]]]`,
  "gv", // as a literal, TypeScript would want ES2024 for it
);

const escapeOne = (character: string) =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");

/** The text with every unsafe character as \u escapes; a backslash stays as it is. */
export const escapeText = (text: string): string => text.replace(UNSAFE, escapeOne);

/** One JSON line, without its line feed, that is safe in a terminal and for readers that split at U+2028. */
export const jsonLine = (value: unknown): string => JSON.stringify(value).replace(UNSAFE, escapeOne);
