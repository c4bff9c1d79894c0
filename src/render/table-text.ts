import type { ClientEvent } from "../events/events.js";
import { MachineTracker } from "../domain/machine-tracker.js";
import type { SubSettings } from "../config/settings/sub-settings.js";
import { heading, limitsText, renderBy, sessionText, sharedText } from "./client-text.js";
import { truncate, wrapHard, justifyTruncated } from "./text-layout.js";
import { escapeText } from "./escape.js";
import { elapsed, machineTable, type Size } from "./machine-table.js";
import type { Renderer } from "./renderer.js";
import type { Screen } from "./screen.js";

/** For how long a warning takes lines from the table. */
const NOTE_MS = 20_000;
const MAX_NOTE_LINES = 3;
/** Columns. A narrower title has a shorter hint. */
const MIN_FULL_TITLE_WIDTH = 60;

interface Note {
  text: string;
  /** Milliseconds since 1970. */
  at: number;
}

/**
 * Renders sub-lwt --table. While connected, `frame` fills the window; before and after, `render` writes lines. If lines
 * can't be rewritten, the table is written once, at the end.
 */
export function tableText(
  settings: SubSettings,
  screen: Screen,
  canRewrite: boolean,
): { render: Renderer<ClientEvent>; frame: (size: Size) => string[] | null } {
  const { out, err, width } = screen;
  const machines = new MachineTracker(settings.connection.namespace);
  const shared = sharedText("sub-lwt", screen);
  /** The title; null before the first connection. */
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
        if (!canRewrite) lines.push("  the table  is printed at the end");
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
      machines.add(event);
      return text(event);
    },
    frame: ({ columns, rows }) => {
      if (session === null || isOver) return null;
      // The prompt needs a line after the end.
      window = { columns, rows: rows - 2 };
      const now = Date.now();
      const top = titleLine(session, lostAt, now, columns, screen);
      const below = noteLines(note, lostAt !== null, now, columns).map(line => err.notice(line));
      const size = { columns, rows: Math.max(1, rows - 1 - below.length) };
      return [top, ...machineTable(machines, size, now, out), ...below].slice(0, rows);
    },
  };
}

function titleLine(
  session: string,
  lostAt: number | null,
  now: number,
  columns: number,
  { out }: Screen,
): string {
  if (lostAt !== null) {
    const lost = `NOT CONNECTED for ${elapsed({ at: lostAt, isExact: true }, now)}`;
    return out.bad(titleWithHint(session, lost, columns));
  }
  return out.bold(
    titleWithHint(
      session,
      columns < MIN_FULL_TITLE_WIDTH ? "Ctrl-C stops" : "Ctrl-C stops gracefully",
      columns,
    ),
  );
}

/** Drops the title if there is no room for both. */
const titleWithHint = (left: string, right: string, columns: number) =>
  columns < right.length + 10 ? truncate(right, columns) : justifyTruncated(left, right, columns);

/** The last diagnostic, for NOTE_MS or until the next connection: the table has scrolled it away. */
function noteLines(note: Note | null, isLost: boolean, now: number, columns: number): string[] {
  if (!note || (!isLost && now - note.at > NOTE_MS)) return [];
  const lines = wrapHard(note.text, columns).split("\n");
  return lines.length <= MAX_NOTE_LINES
    ? lines
    : [...lines.slice(0, MAX_NOTE_LINES - 1), truncate(lines.slice(MAX_NOTE_LINES - 1).join(" "), columns)];
}
