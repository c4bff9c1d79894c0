import stringWidth from "string-width";

/** Aligns a wrapped line with the text after the time. */
export const TIME_INDENT = " ".repeat(10);

/** HH:MM:SS, local time. */
export const localTime = (time: string): string => new Date(time).toTimeString().slice(0, 8);

/** Columns of a terminal: East Asian characters and emoji take two, combining marks none. */
export const displayWidth = (text: string): number =>
  ONE_COLUMN_EACH.test(text) ? text.length : stringWidth(text);

/**
 * Latin letters, signs, and the drawing characters: each is a grapheme of one column. Segmenting the heading because of
 * its arrow took an eighth of the time for one message: ICU reads its rules.
 */
const ONE_COLUMN_EACH = /^[ -~\u00a1-\u00ac\u00ae-\u02ff→←…│┆╳─◀▶]*$/;

/** Truncates to `width` columns, with an ellipsis. */
export function truncate(text: string, width: number, ellipsis = "…"): string {
  const room = width - displayWidth(ellipsis);
  const short = (text: string) => (room < 0 ? "" : text + ellipsis);
  // Segmenting graphemes takes five times as long as the rest of a line, so a plain text does without.
  const beginning = text.slice(0, width + 1);
  if (ONE_COLUMN_EACH.test(beginning))
    return text.length <= width ? text : short(beginning.slice(0, Math.max(0, room)));
  let fitting = "";
  let taken = 0;
  // Stops early: a topic may have 65,535 bytes.
  for (const grapheme of graphemesOf(text)) {
    taken += displayWidth(grapheme);
    if (taken > width) return short(fitting);
    if (taken <= room) fitting += grapheme;
  }
  return text;
}

let segmenter: Intl.Segmenter | undefined;

export function* graphemesOf(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" }); // slow to create, seldom needed
  for (const { segment } of segmenter.segment(text)) yield segment;
}

export const pad = (text: string, width: number): string =>
  text + " ".repeat(Math.max(0, width - displayWidth(text)));

/** Two texts, one at each edge. Truncates the left one. */
export const justifyTruncated = (left: string, right: string, width: number): string =>
  justify(truncate(left, width - displayWidth(right) - 2), right, width);

/** Two texts, one at each edge, or on two lines if they do not fit on one. */
export const justify = (left: string, right: string, width: number): string => {
  const gap = width - displayWidth(left) - displayWidth(right);
  return gap >= 2 ? left + " ".repeat(gap) + right : `${left}\n  ${right}`;
};

/**
 * Breaks at spaces into lines of at most `width` columns. `indent` is for the lines after the first.
 * A longer word stays whole: it may be an address that a user wants to copy.
 */
export function wrap(text: string, width: number, indent = "  "): string {
  const start = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = start;
  for (const word of text.slice(start.length).split(" ")) {
    const joined = line.trim() === "" ? line + word : `${line} ${word}`;
    const fits = displayWidth(joined) <= width || line.trim() === "";
    if (!fits) lines.push(line);
    line = fits ? joined : indent + word;
  }
  return [...lines, line].join("\n");
}

/** Wraps, and breaks longer words too: no line is wider. */
export const wrapHard = (text: string, width: number, indent = "  "): string =>
  wrap(text, width, indent)
    .split("\n")
    .flatMap(line => breakLine(line, width, indent))
    .join("\n");

function breakLine(text: string, width: number, indent: string): string[] {
  if (displayWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line = "";
  let taken = 0;
  for (const grapheme of graphemesOf(text)) {
    const columns = displayWidth(grapheme);
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

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
