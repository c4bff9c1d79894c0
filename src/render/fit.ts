import stringWidth from "string-width";

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** What a reader takes for one character each. */
export const graphemesOf = (text: string): string[] =>
  Array.from(segmenter.segment(text), ({ segment }) => segment);

/** The text, cut so that it takes no more than so many columns of a terminal. */
export function fit(text: string, width: number, cut: string): string {
  if (stringWidth(text) <= width) return text;
  let kept = "";
  for (const segment of graphemesOf(text)) {
    if (stringWidth(kept + segment) > width - stringWidth(cut)) break;
    kept += segment;
  }
  return kept + cut;
}

/** The text in lines of so many columns at most, broken at blanks; a longer word is cut. */
export function wrap(text: string, width: number, cut: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const joined = `${lines.at(-1) ?? ""} ${word}`.trimStart();
    if (lines.length > 0 && stringWidth(joined) <= width) lines[lines.length - 1] = joined;
    else lines.push(fit(word, width, cut));
  }
  return lines;
}
