import type { TrackedMachine, MachineTracker, Moment } from "../domain/machine-tracker.js";
import { MAX_MACHINES } from "../domain/sequence-tally.js";
import { displayWidth, localTime, pad, truncate } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Theme } from "./theme.js";

export interface Size {
  columns: number;
  rows: number;
}

type State = TrackedMachine["state"];

/** The states that need attention come first. */
const STATES: State[] = ["offline", "unknown", "stopped", "online"];
const styles: Record<State, keyof Theme> = {
  offline: "bad",
  unknown: "accent",
  stopped: "notice",
  online: "good",
};

const STATE_WIDTH = "OFFLINE".length;
/** "12s", ">99m" */
const TIME_WIDTH = 4;
/** "<14:03:51" */
const CLOCK_WIDTH = 9;
/** Enough for Machine1x7f3a9c. In a wide window names get more. */
const NAME_WIDTH = 16;
/** State and name. */
const MIN_CELL_WIDTH = STATE_WIDTH + 1 + NAME_WIDTH;
/** From this width on a cell shows everything about a machine. */
const WIDE_CELL_WIDTH = 60;
/** Between two machines side by side. */
const GAP = 2;

/** Machines by state, from 20 columns on, side by side if they are many. Those without room are counted. */
export function machineTable(
  machines: MachineTracker,
  { columns, rows }: Size,
  now: number,
  paint: Theme,
): string[] {
  const byState = groupByState(machines.sortedByName());
  const all = STATES.flatMap(state => byState[state]);
  const top = totalsLines(machines, byState, columns).map(line =>
    colourCounts(truncate(line, columns), paint),
  );
  if (all.length === 0) return [...top, truncate("no machine seen yet", columns)];
  const untracked = untrackedText(machines);
  const fixed = top.length + 1 + (untracked ? 1 : 0);
  const layout = layoutFor(all.length, { columns, rows: Math.max(1, rows - fixed) });
  const isTooMany = all.length > layout.capacity;
  const height = Math.max(1, isTooMany ? layout.height - 1 : layout.height);
  const shown = all.slice(0, layout.cellsPerRow * height);
  const widths = widthsFor(shown, layout.width);
  const cells = shown.map(machine => cellOf(machine, widths, now, paint));
  const lines = sideBySide(cells, Math.min(height, Math.ceil(shown.length / layout.cellsPerRow)));
  const titles = Array.from({ length: Math.min(layout.cellsPerRow, shown.length) }, () => titleOf(widths));
  return [
    ...top,
    paint.dim(titles.join(" ".repeat(GAP)).trimEnd()),
    ...lines,
    ...(isTooMany ? [truncate(restText(all.slice(shown.length)), columns)] : []),
    ...(untracked ? [truncate(untracked, columns)] : []),
  ];
}

type Groups = Record<State, TrackedMachine[]>;

function groupByState(machines: TrackedMachine[]): Groups {
  const groups: Groups = { offline: [], unknown: [], stopped: [], online: [] };
  for (const machine of machines) groups[machine.state].push(machine);
  return groups;
}

const stateCounts = (groups: Groups) =>
  STATES.filter(state => groups[state].length > 0).map(
    state => `${groups[state].length} ${state.toUpperCase()}`,
  );

/** Contains no text from the network. */
function totalsLines(machines: MachineTracker, groups: Groups, columns: number): string[] {
  let missing = 0;
  let duplicate = 0;
  for (const { tally } of STATES.flatMap(state => groups[state])) {
    missing += tally.missing;
    duplicate += tally.duplicate;
  }
  const counts = stateCounts(groups);
  const left = counts.join("  ");
  const sequence = `${missing || "none"} missing, ${duplicate || "no"} ${duplicate === 1 ? "duplicate" : "duplicates"}`;
  const messages = `${machines.messages} ${machines.messages === 1 ? "message" : "messages"}: ${sequence}`;
  if (left === "") return [messages];
  const right = [messages, sequence].find(text => left.length + 2 + text.length <= columns);
  if (right) return [left + right.padStart(columns - left.length)];
  return [...counts, sequence].reduce<string[]>((lines, part) => {
    const joined = `${lines.at(-1)}  ${part}`;
    const fits = lines.length > 0 && joined.length <= columns;
    return fits ? [...lines.slice(0, -1), joined] : [...lines, part];
  }, []);
}

const colourCounts = (line: string, paint: Theme) =>
  STATES.reduce(
    (text, state) =>
      text.replace(new RegExp(String.raw`\d+ ${state.toUpperCase()}`), all => paint[styles[state]](all)),
    line,
  );

const restText = (rest: TrackedMachine[]) =>
  `and ${rest.length} more: ${stateCounts(groupByState(rest)).join(", ")}`;

const untrackedText = ({ untrackedMessages }: MachineTracker) =>
  untrackedMessages > 0
    ? `and ${untrackedMessages} messages of others: at most ${MAX_MACHINES} machines are counted`
    : null;

interface Layout {
  cellsPerRow: number;
  height: number;
  /** Of one cell. */
  width: number;
  /** Cells in all. */
  capacity: number;
}

/** As few cells a row as it takes to show all machines. */
function layoutFor(machines: number, { columns, rows }: Size): Layout {
  const widthFor = (cells: number) => Math.floor((columns - GAP * (cells - 1)) / cells);
  let cellsPerRow = 1;
  while (cellsPerRow * rows < machines && widthFor(cellsPerRow + 1) >= MIN_CELL_WIDTH) cellsPerRow += 1;
  return { cellsPerRow, height: rows, width: widthFor(cellsPerRow), capacity: cellsPerRow * rows };
}

/** Fills the first column from top to bottom, then the next. */
const sideBySide = (cells: string[], height: number): string[] =>
  Array.from({ length: height }, (_, row) =>
    cells
      .filter((_, i) => i % height === row)
      .join(" ".repeat(GAP))
      .trimEnd(),
  );

/** Widths of the fields after the state; 0: no room. */
interface Widths {
  clock: number;
  time: number;
  name: number;
  /** The seq of the last reading, within the tail. */
  number: number;
  /** The rest: the last reading and its age, missing and duplicate readings. */
  tail: number;
}

function widthsFor(machines: TrackedMachine[], width: number): Widths {
  const isWide = width >= WIDE_CELL_WIDTH;
  const longest = Math.max(...machines.map(({ name }) => displayWidth(escapeText(name))), "machine".length);
  const maxName = isWide ? width - WIDE_CELL_WIDTH + NAME_WIDTH : NAME_WIDTH;
  const name = Math.min(longest, maxName, Math.max(0, width - STATE_WIDTH - 1));
  const clock = isWide ? CLOCK_WIDTH : 0;
  const left = width - STATE_WIDTH - 1 - name - (isWide ? CLOCK_WIDTH + 1 : 0);
  const time = left > TIME_WIDTH ? TIME_WIDTH : 0;
  const number = Math.max(...machines.map(({ reading }) => numberOf(reading).length), "last".length);
  return { clock, time, name, number, tail: Math.max(0, left - (time && time + 1) - 1) };
}

/** Skips fields without a width. */
const joinFields = (...fields: [text: string, width: number][]) =>
  fields
    .filter(([, width]) => width > 0)
    .map(([text]) => text)
    .join(" ");

function titleOf({ clock, time, name, number, tail }: Widths): string {
  const titles = [`${"last".padStart(number)} ${"ago".padStart(TIME_WIDTH)}`, "last".padStart(number)];
  return joinFields(
    ["state".padEnd(STATE_WIDTH), STATE_WIDTH],
    ["since".padStart(clock), clock],
    ["for".padStart(time), time],
    [truncate("machine", name).padEnd(name), name],
    [firstFitting(titles, tail).padEnd(tail), tail],
  );
}

function cellOf(machine: TrackedMachine, widths: Widths, now: number, paint: Theme): string {
  const { clock, time, name, tail } = widths;
  const style = paint[styles[machine.state]];
  const shownName = pad(truncate(escapeText(machine.name), name), name);
  return joinFields(
    [style(machine.state.toUpperCase().padEnd(STATE_WIDTH)), STATE_WIDTH],
    [clockOf(machine.since).padStart(clock), clock],
    [elapsed(machine.since, now).padStart(time), time],
    [machine.state === "online" ? shownName : style(shownName), name],
    [pad(tailOf(machine, widths, now), tail), tail],
  );
}

/** If there is no room for both, losses are shown instead of the last reading. */
function tailOf({ reading, tally }: TrackedMachine, { number, tail }: Widths, now: number): string {
  const last = numberOf(reading).padStart(number);
  const lastAndAge = reading ? `${last} ${elapsed(reading.sent, now).padStart(TIME_WIDTH)}` : "";
  const losses = lossesOf(tally);
  const both = `${lastAndAge.padEnd(number + 1 + TIME_WIDTH)}  ${losses}`;
  return firstFitting([...(losses ? [both, losses] : []), lastAndAge, last], tail);
}

const firstFitting = (texts: string[], width: number) =>
  texts.find(text => displayWidth(text) <= width) ?? "";

/** At most six digits: the number is untrusted. */
const numberOf = (reading: TrackedMachine["reading"]) =>
  reading?.seq == null ? "" : truncate(`#${reading.seq}`, 7);

function lossesOf({ missing, duplicate }: TrackedMachine["tally"]): string {
  const parts = [missing > 0 && `${missing} missing`, duplicate > 0 && `${duplicate} duplicate`];
  return parts.filter(Boolean).join(", ");
}

const clockOf = ({ at, isExact }: Moment) => `${isExact ? "" : "<"}${localTime(new Date(at).toISOString())}`;

/** Each is used up to 99. */
const UNITS: [name: string, milliseconds: number][] = [
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
];

/** `12s`; `>12s` if the moment is not exact. */
export function elapsed({ at, isExact }: Moment, now: number): string {
  const milliseconds = Math.max(0, now - at);
  const [name, unit] = UNITS.find(([, unit]) => milliseconds < 100 * unit) ?? ["d", 86_400_000];
  return `${isExact ? "" : ">"}${Math.min(99, Math.floor(milliseconds / unit))}${name}`;
}
