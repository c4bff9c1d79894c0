import type { TrackedMachine, MachineTracker, Moment } from "../domain/machine-tracker.js";
import { MAX_MACHINES } from "../domain/sequence-tally.js";
import { clock as clockText, columnsOf, cut, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Theme } from "./theme.js";

/** Of a window, or of what is left of one. */
export interface Size {
  columns: number;
  rows: number;
}

type State = TrackedMachine["state"];

/** What needs somebody first. */
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
/** Of a name: enough for Machine1x7f3a9c. In a wide window it gets more. */
const NAME_WIDTH = 16;
/** One machine's; below that there is no column more. */
const LEAST_CELL = STATE_WIDTH + 1 + NAME_WIDTH;
/** From here on there is room for everything about a machine. */
const WIDE_CELL = 60;
/** Between two machines side by side. */
const GAP = 2;

/**
 * Machines by state, from 20 columns on; side by side where they are many. Those for which there is no room are counted.
 */
export function machineTable(
  machines: MachineTracker,
  { columns, rows }: Size,
  now: number,
  paint: Theme,
): string[] {
  const byState = inGroups(machines.inOrder());
  const all = STATES.flatMap(state => byState[state]);
  const top = totals(machines, byState, columns).map(line => painted(cut(line, columns), paint));
  if (all.length === 0) return [...top, cut("no machine has been heard of", columns)];
  const untracked = untrackedText(machines);
  const fixed = top.length + 1 + (untracked ? 1 : 0);
  const layout = layoutFor(all.length, { columns, rows: Math.max(1, rows - fixed) });
  const isTooMany = all.length > layout.room;
  const height = Math.max(1, isTooMany ? layout.height - 1 : layout.height);
  const shown = all.slice(0, layout.side * height);
  const widths = widthsFor(shown, layout.width);
  const cells = shown.map(machine => cellOf(machine, widths, now, paint));
  const lines = sideBySide(cells, Math.min(height, Math.ceil(shown.length / layout.side)));
  const titles = Array.from({ length: Math.min(layout.side, shown.length) }, () => titleOf(widths));
  return [
    ...top,
    paint.dim(titles.join(" ".repeat(GAP)).trimEnd()),
    ...lines,
    ...(isTooMany ? [cut(restText(all.slice(shown.length)), columns)] : []),
    ...(untracked ? [cut(untracked, columns)] : []),
  ];
}

type Groups = Record<State, TrackedMachine[]>;

function inGroups(machines: TrackedMachine[]): Groups {
  const groups: Groups = { offline: [], unknown: [], stopped: [], online: [] };
  for (const machine of machines) groups[machine.state].push(machine);
  return groups;
}

const counted = (groups: Groups) =>
  STATES.filter(state => groups[state].length > 0).map(
    state => `${groups[state].length} ${state.toUpperCase()}`,
  );

/** Our own words only. */
function totals(machines: MachineTracker, groups: Groups, columns: number): string[] {
  let missing = 0;
  let duplicate = 0;
  for (const { tally } of STATES.flatMap(state => groups[state])) {
    missing += tally.missing;
    duplicate += tally.duplicate;
  }
  const counts = counted(groups);
  const left = counts.join("  ");
  const sequence = `${missing || "none"} missing, ${duplicate || "none"} doubled`;
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

const painted = (line: string, paint: Theme) =>
  STATES.reduce(
    (text, state) =>
      text.replace(new RegExp(String.raw`\d+ ${state.toUpperCase()}`), all => paint[styles[state]](all)),
    line,
  );

const restText = (rest: TrackedMachine[]) => `and ${rest.length} more: ${counted(inGroups(rest)).join(", ")}`;

const untrackedText = ({ untrackedMessages }: MachineTracker) =>
  untrackedMessages > 0
    ? `and ${untrackedMessages} messages of others: only ${MAX_MACHINES} machines are told apart`
    : null;

interface Layout {
  /** How many machines stand side by side. */
  side: number;
  height: number;
  /** Of one machine. */
  width: number;
  /** For so many machines. */
  room: number;
}

/** As few side by side as it takes to show them all. */
function layoutFor(machines: number, { columns, rows }: Size): Layout {
  const widthOf = (side: number) => Math.floor((columns - GAP * (side - 1)) / side);
  let side = 1;
  while (side * rows < machines && widthOf(side + 1) >= LEAST_CELL) side += 1;
  return { side, height: rows, width: widthOf(side), room: side * rows };
}

/** Down the first column, and on at the top of the next. */
const sideBySide = (cells: string[], height: number): string[] =>
  Array.from({ length: height }, (_, row) =>
    cells
      .filter((_, i) => i % height === row)
      .join(" ".repeat(GAP))
      .trimEnd(),
  );

/** The widths of what is shown of a machine after its state; 0: there is no room for that. */
interface Widths {
  clock: number;
  time: number;
  name: number;
  /** Of the last reading, within the tail. */
  number: number;
  /** What is left: for the last reading, and what is missing. */
  tail: number;
}

function widthsFor(machines: TrackedMachine[], width: number): Widths {
  const isWide = width >= WIDE_CELL;
  const longest = Math.max(...machines.map(({ name }) => columnsOf(escapeText(name))), "machine".length);
  const most = isWide ? width - WIDE_CELL + NAME_WIDTH : NAME_WIDTH;
  const name = Math.min(longest, most, Math.max(0, width - STATE_WIDTH - 1));
  const clock = isWide ? CLOCK_WIDTH : 0;
  const left = width - STATE_WIDTH - 1 - name - (isWide ? CLOCK_WIDTH + 1 : 0);
  const time = left > TIME_WIDTH ? TIME_WIDTH : 0;
  const number = Math.max(...machines.map(({ reading }) => numberOf(reading).length), "last".length);
  return { clock, time, name, number, tail: Math.max(0, left - (time && time + 1) - 1) };
}

/** The fields that have a width, side by side. */
const joined = (...fields: [text: string, width: number][]) =>
  fields
    .filter(([, width]) => width > 0)
    .map(([text]) => text)
    .join(" ");

function titleOf({ clock, time, name, number, tail }: Widths): string {
  const forms = [`${"last".padStart(number)} ${"ago".padStart(TIME_WIDTH)}`, "last".padStart(number)];
  return joined(
    ["state".padEnd(STATE_WIDTH), STATE_WIDTH],
    ["since".padStart(clock), clock],
    ["for".padStart(time), time],
    [cut("machine", name).padEnd(name), name],
    [firstThatFits(forms, tail).padEnd(tail), tail],
  );
}

function cellOf(machine: TrackedMachine, widths: Widths, now: number, paint: Theme): string {
  const { clock, time, name, tail } = widths;
  const style = paint[styles[machine.state]];
  const shownName = pad(cut(escapeText(machine.name), name), name);
  return joined(
    [style(machine.state.toUpperCase().padEnd(STATE_WIDTH)), STATE_WIDTH],
    [clockOf(machine.since).padStart(clock), clock],
    [elapsed(machine.since, now).padStart(time), time],
    [machine.state === "online" ? shownName : style(shownName), name],
    [pad(tailOf(machine, widths, now), tail), tail],
  );
}

/** What is missing goes before the last reading, where there is no room for both. */
function tailOf({ reading, tally }: TrackedMachine, { number, tail }: Widths, now: number): string {
  const last = numberOf(reading).padStart(number);
  const lastAndAge = reading ? `${last} ${elapsed(reading.sent, now).padStart(TIME_WIDTH)}` : "";
  const trouble = troubleOf(tally);
  const both = `${lastAndAge.padEnd(number + 1 + TIME_WIDTH)}  ${trouble}`;
  return firstThatFits([...(trouble ? [both, trouble] : []), lastAndAge, last], tail);
}

const firstThatFits = (forms: string[], width: number) => forms.find(text => columnsOf(text) <= width) ?? "";

/** Past six digits it says nothing more to anyone in the room, and comes from the network. */
const numberOf = (reading: TrackedMachine["reading"]) =>
  reading?.seq == null ? "" : cut(`#${reading.seq}`, 7);

function troubleOf({ missing, duplicate }: TrackedMachine["tally"]): string {
  const parts = [missing > 0 && `${missing} missing`, duplicate > 0 && `${duplicate} doubled`];
  return parts.filter(Boolean).join(", ");
}

const clockOf = ({ at, exact }: Moment) => `${exact ? "" : "<"}${clockText(new Date(at).toISOString())}`;

/** Where one unit has more than 99, the next. */
const UNITS: [name: string, milliseconds: number][] = [
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
];

/** How long ago that was: `12s`; `>12s` where it may have been longer. */
export function elapsed({ at, exact }: Moment, now: number): string {
  const milliseconds = Math.max(0, now - at);
  const [name, unit] = UNITS.find(([, unit]) => milliseconds < 100 * unit) ?? ["d", 86_400_000];
  return `${exact ? "" : ">"}${Math.min(99, Math.floor(milliseconds / unit))}${name}`;
}
