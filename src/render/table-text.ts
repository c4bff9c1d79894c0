import type { ClientEvent } from "../events/events.js";
import { MachineTracker } from "../domain/machine-tracker.js";
import type { SubSettings } from "../config/settings/sub-settings.js";
import { heading, limitsText, renderBy, sessionText, sharedText } from "./client-text.js";
import { cut, fold, row } from "./text-layout.js";
import { escapeText } from "./escape.js";
import { elapsed, machineTable, type Size } from "./machine-table.js";
import type { Renderer } from "./renderer.js";
import type { Screen } from "./screen.js";

/** Milliseconds for which a warning takes lines from the table. */
const NOTE_LASTS = 20_000;
const NOTE_LINES = 3;
/** Columns. */
const NARROW = 60;

interface Note {
  text: string;
  /** Milliseconds since 1970. */
  at: number;
}

/**
 * What a person sees of sub-lwt --table: before the first connection and after the end lines as ever, in between a frame
 * that fills the window. Where lines can't be written over, the table comes once, at the end.
 */
export function tableText(
  settings: SubSettings,
  screen: Screen,
  canRewrite: boolean,
): { render: Renderer<ClientEvent>; frame: (size: Size) => string[] | null } {
  const { out, err, width } = screen;
  const machines = new MachineTracker(settings.connection.namespace);
  const shared = sharedText("sub-lwt", screen);
  /** Who is connected where, once it has been. */
  let session: string | null = null;
  let lostAt: number | null = null;
  let note: Note | null = null;
  let isOver = false;
  let window: Size = { columns: width, rows: Number.POSITIVE_INFINITY };

  const noteOf = (time: string, ...texts: string[]) => {
    note = { text: texts.map(escapeText).join(" "), at: Date.parse(time) };
  };

  const text = renderBy(
    {
      connected: event => {
        const isFirst = session === null;
        session = `${escapeText(event.clientId)} ← ${escapeText(event.broker)}`;
        lostAt = null;
        note = null;
        if (!isFirst) return shared.connected();
        const lines = [heading(event, "←", screen), sessionText(event, screen), ...limitsText(event, screen)];
        if (!canRewrite) lines.push("  the table  comes at the end");
        return { err: lines.join("\n"), live: null };
      },
      disconnected: event => {
        if (!event.graceful) {
          lostAt = Date.parse(event.time);
          noteOf(event.time, event.reason);
        }
        return shared.disconnected(event);
      },
      warning: event => {
        noteOf(event.time, event.message, event.hint);
        return shared.warning(event);
      },
      summary: event => {
        isOver = true;
        const lines = machineTable(machines, window, Date.parse(event.time), out);
        return { out: lines.join("\n"), live: null };
      },
    },
    shared,
  );

  return {
    render: event => {
      machines.hear(event);
      return text(event);
    },
    frame: ({ columns, rows }) => {
      if (session === null || isOver) return null;
      // At the end, a line for the prompt.
      window = { columns, rows: rows - 2 };
      const now = Date.now();
      const top = titleLine(session, lostAt, now, columns, screen);
      const below = noteLines(note, lostAt !== null, now, columns).map(line => err.notice(line));
      const size = { columns, rows: Math.max(1, rows - 1 - below.length) };
      return [top, ...machineTable(machines, size, now, out), ...below].slice(0, rows);
    },
  };
}

/** Who is connected where; after a loss, that what stands below is as it was then. */
function titleLine(
  session: string,
  lostAt: number | null,
  now: number,
  columns: number,
  { out }: Screen,
): string {
  if (lostAt !== null) {
    const lost = `NOT CONNECTED for ${elapsed({ at: lostAt, exact: true }, now)}`;
    return out.bad(both(session, lost, columns));
  }
  return out.bold(both(session, columns < NARROW ? "Ctrl-C stops" : "Ctrl-C stops gracefully", columns));
}

/** One at each edge; where there is no room for both, the right one. */
const both = (left: string, right: string, columns: number) =>
  columns < right.length + 10 ? cut(right, columns) : row(left, right, columns);

/** What was said last, for a while, or as long as there is no connection: the table has pushed it out of sight. */
function noteLines(note: Note | null, isLost: boolean, now: number, columns: number): string[] {
  if (!note || (!isLost && now - note.at > NOTE_LASTS)) return [];
  const lines = fold(note.text, columns).split("\n");
  return lines.length <= NOTE_LINES
    ? lines
    : [...lines.slice(0, NOTE_LINES - 1), cut(lines.slice(NOTE_LINES - 1).join(" "), columns)];
}
