// Draws the README's picture from a real run: `npm run docs:picture`. Step 2 of the lesson offline-notification, line by
// line, as an animated SVG. Without motion (prefers-reduced-motion) all lines are there at once.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";

const root = path.join(import.meta.dirname, "..", "..");
const FILE = path.join(root, "docs", "assets", "offline-notification.svg");

const [FONT, ROW, COLUMN, MARGIN] = [14, 18, 8.4, 16];
/** Seconds between two lines. */
const PACE = 0.2;
const [GROUND, TEXT] = ["#0d1117", "#c9d1d9"];

/** What stands out, by the words of the line; contrast on the ground is at least 4.5 to 1. */
const COLOURS: [pattern: RegExp, colour: string][] = [
  [/OFFLINE|╳/, "#ff7b72"],
  [/ONLINE|LIVE|^ {2}held/, "#7ee787"],
  [/PUBLISHED|stores the will|no DISCONNECT/, "#d2a8ff"],
  [/ \$ |^ {11}mqtt:/, "#79c0ff"],
];

const run = spawnSync(process.execPath, [path.join(root, "bin", "lwt-demo.cjs"), "offline-notification"], {
  encoding: "utf8",
  env: { ...process.env, NO_COLOR: "1" },
});
if (run.status !== 0) throw new Error(`the lesson failed:\n${run.stdout}${run.stderr}`);
const step = /^2\. [^]*?(?=\n\n {2}\? )/m.exec(run.stdout)?.[0];
if (!step) throw new Error("the story has no step 2 before its first question");

const lines = step.replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:1883").split("\n");
const width = Math.ceil(80 * COLUMN + 2 * MARGIN);
const height = (lines.length + 1) * ROW + 2 * MARGIN;

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const colourOf = (line: string) => COLOURS.find(([pattern]) => pattern.test(line))?.[1] ?? TEXT;

const rows = lines.flatMap((line, i) =>
  line.trim() === ""
    ? []
    : [
        `<text x="${MARGIN}" y="${MARGIN + (i + 1) * ROW}" fill="${colourOf(line)}" style="animation-delay:${(i * PACE).toFixed(1)}s" textLength="${(Array.from(line).length * COLUMN).toFixed(1)}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">${escaped(line)}</text>`,
      ],
);

writeFileSync(
  FILE,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="A machine fails. The broker publishes its will, and the subscriber shows OFFLINE.">
<style>text{font:${FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;opacity:0;animation:show .01s forwards}@keyframes show{to{opacity:1}}@media(prefers-reduced-motion){text{animation:none;opacity:1}}</style>
<rect width="100%" height="100%" rx="8" fill="${GROUND}"/>
${rows.join("\n")}
</svg>
`,
);
