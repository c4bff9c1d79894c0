/**
 * Characters that could move the cursor, break a line, hide or reverse text: C0 (line feed and tab too), DEL, C1, line
 * separators, lone surrogates, annotations, and Unicode's invisible ones (bidi and zero-width characters, fillers,
 * tags, variation selectors). The first sixteen variation selectors are safe, since emoji use them.
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

/** The text with unsafe characters as \u escapes; a backslash stays. */
export const escapeText = (text: string): string => text.replace(UNSAFE, escapeOne);

/** One JSON line, without line feed, safe for terminals and for readers that split at U+2028. */
export const jsonLine = (value: unknown): string => JSON.stringify(value).replace(UNSAFE, escapeOne);
