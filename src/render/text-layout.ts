import stringWidth from "string-width";

/** Under the text of a line that begins with the time. */
export const HANGING = " ".repeat(10);

/** HH:MM:SS, local time. */
export const clock = (time: string): string => new Date(time).toTimeString().slice(0, 8);

/** How many columns of a terminal a text takes: East Asian characters and emoji two, combining marks none. */
export const columnsOf = (text: string): number => (PLAIN.test(text) ? text.length : stringWidth(text));

/**
 * Latin letters, their signs, and what the screens draw with: each is a character by itself and takes one column. Parting
 * them into graphemes, for an arrow in the heading, took an eighth of the time for one message: ICU reads its rules.
 */
const PLAIN = /^[ -~\u00a1-\u00ac\u00ae-\u02ff→←…│┆╳─◀▶]*$/;

/** Cut to so many columns, with an ellipsis in the place of what is missing. */
export function cut(text: string, width: number, ellipsis = "…"): string {
  const room = width - columnsOf(ellipsis);
  const short = (kept: string) => (room < 0 ? "" : kept + ellipsis);
  // What is further on is not shown; to part graphemes would take five times as long as all the rest of a line.
  const beginning = text.slice(0, width + 1);
  if (PLAIN.test(beginning))
    return text.length <= width ? text : short(beginning.slice(0, Math.max(0, room)));
  let kept = "";
  let taken = 0;
  // Not further than needed: a topic may have 65,535 bytes.
  for (const grapheme of graphemesOf(text)) {
    taken += columnsOf(grapheme);
    if (taken > width) return short(kept);
    if (taken <= room) kept += grapheme;
  }
  return text;
}

let segmenter: Intl.Segmenter | undefined;

/** What a reader takes for one character each. */
export function* graphemesOf(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" }); // slow to make, and seldom needed
  for (const { segment } of segmenter.segment(text)) yield segment;
}

/** Filled up with blanks to so many columns. */
export const pad = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - columnsOf(text)));

/** Two texts, one at each edge; the left one is cut to leave room for the other. */
export const row = (left: string, right: string, width: number): string =>
  edges(cut(left, width - columnsOf(right) - 2), right, width);

/** Two texts, one at each edge; on a line each where one has no room for both. */
export const edges = (left: string, right: string, width: number): string => {
  const gap = width - columnsOf(left) - columnsOf(right);
  return gap >= 2 ? left + " ".repeat(gap) + right : `${left}\n  ${right}`;
};

/**
 * Broken at blanks into lines of at most so many columns; the first is indented as it is, the later ones by `indent`.
 * A longer word stays whole: it may be an address that somebody wants to copy.
 */
export function wrap(text: string, width: number, indent = "  "): string {
  const start = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = start;
  for (const word of text.slice(start.length).split(" ")) {
    const joined = line.trim() === "" ? line + word : `${line} ${word}`;
    const fits = columnsOf(joined) <= width || line.trim() === "";
    if (!fits) lines.push(line);
    line = fits ? joined : indent + word;
  }
  return [...lines, line].join("\n");
}

/** The same, with longer words broken too: no line is wider. */
export const fold = (text: string, width: number, indent = "  "): string =>
  wrap(text, width, indent)
    .split("\n")
    .flatMap(line => broken(line, width, indent))
    .join("\n");

function broken(text: string, width: number, indent: string): string[] {
  if (columnsOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = "";
  let taken = 0;
  for (const grapheme of graphemesOf(text)) {
    const columns = columnsOf(grapheme);
    if (taken + columns > width) {
      lines.push(line);
      line = indent;
      taken = indent.length;
    }
    line += grapheme;
    taken += columns;
  }
  return [...lines, line];
}
