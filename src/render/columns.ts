/** Every screen fits this many columns. */
export const WIDTH = 80;

/** HH:MM:SS, local time. */
export const clock = (time: string): string => new Date(time).toTimeString().slice(0, 8);

/** Cut to so many columns, with an ellipsis in the place of what is missing. */
export const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;

/** Two texts, one at each edge; on a line each where one has no room for both. */
export const edges = (left: string, right: string): string => {
  const gap = WIDTH - left.length - right.length;
  return gap >= 2 ? left + " ".repeat(gap) + right : `${left}\n  ${right}`;
};

/** Broken at spaces into lines of at most so many columns; the later ones are indented, the first as it is. */
export function wrap(text: string, indent = "  ", width = WIDTH): string {
  const start = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = start;
  for (const word of text.slice(start.length).split(" ")) {
    const joined = line.trim() === "" ? line + word : `${line} ${word}`;
    const fits = joined.length <= width || line.trim() === "";
    if (!fits) lines.push(line);
    line = fits ? joined : indent + word;
  }
  return [...lines, line].join("\n");
}
