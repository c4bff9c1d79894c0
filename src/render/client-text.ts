import type { ClientEvent, Timed } from "../events.js";
import { clock, cut, edges, fold, HANGING } from "./columns.js";
import { escapeText } from "./escape.js";
import type { Rendered, Renderer } from "./rendered.js";
import { foldAt, type Screen } from "./screen.js";
import { settingsText } from "./settings-text.js";
import { trouble } from "./trouble-text.js";

type Named<Name> = Extract<Timed<ClientEvent>, { event: Name }>;

/** From the name of an event to its text; an event that is missing shows nothing. */
export type TextTable = { [Name in ClientEvent["event"]]?: (event: Named<Name>) => Rendered | undefined };

/** A renderer from a table; a command's own lines go before the ones that both clients share. */
export const renderBy =
  (...tables: TextTable[]): Renderer<ClientEvent> =>
  event => {
    const table = tables.find(({ [event.event]: text }) => text !== undefined);
    // The table pairs each name with its own event.
    const text = table?.[event.event] as ((event: Timed<ClientEvent>) => Rendered | undefined) | undefined;
    return text?.(event);
  };

/** What both clients say alike: troubles, settings, and what --debug shows. */
export function sharedText(name: string, screen: Screen) {
  /** A warning has just said that it goes on trying. */
  let toldToTry = false;
  /** Why the connection was lost, as it has just been told. */
  let toldWhy: string | null = null;
  return {
    connecting: ({ time, broker }) => ({
      live: { until: Date.parse(time), text: () => `  connecting to ${escapeText(broker)}` },
    }),
    connected: () => ({ live: null }),
    reconnecting: ({ time, inSeconds, secondsLeft, reason, attempt }) => {
      const why = reason === toldWhy ? "" : `${escapeText(reason)}; `;
      const again = `${clock(time)}  ${why}trying again in ${inSeconds.toFixed(1)} s`;
      const isNews = attempt === 1 && !toldToTry;
      toldToTry = false;
      toldWhy = null;
      return {
        ...(isNews && { err: fold(again, foldAt(screen), HANGING) }),
        live: {
          until: Date.parse(time) + secondsLeft * 1000,
          text: left => `  still trying, for ${left} s more`,
        },
      };
    },
    disconnected: ({ time, graceful, reason }) => {
      if (graceful) return { live: null };
      toldWhy = reason;
      const lost = `${clock(time)}  connection lost: ${escapeText(reason)}`;
      return { err: screen.err.notice(fold(lost, foldAt(screen), HANGING)) };
    },
    warning: ({ message, hint }) => {
      toldToTry = true;
      return { err: trouble(name, "notice", message, hint, screen) };
    },
    error: ({ message, hint }) => ({ err: trouble(name, "bad", message, hint, screen), live: null }),
    settings: ({ settings }) => ({ out: settingsText(settings, screen.width) }),
    packet: ({ time, direction, description }) => {
      const text = `${clock(time)}  ${direction === "sent" ? "->" : "<-"} ${escapeText(description)}`;
      // Elsewhere a packet stays on its line, where grep finds all of it.
      return { err: fold(text, foldAt(screen), HANGING) };
    },
  } satisfies TextTable;
}

/** The first line: who is connected where, and how to leave. */
export function heading(
  { clientId, broker }: Named<"connected">,
  arrow: string,
  { err, width }: Screen,
): string {
  const left = cut(`${escapeText(clientId)} ${arrow} ${escapeText(broker)}`, width);
  return err.bold(left) + edges(left, "Ctrl-C stops gracefully", width).slice(left.length);
}

/** The line under it: what CONNACK said about the session. */
export const sessionText = (event: Named<"connected">, { width }: Screen): string =>
  fold(`  session    ${sessionInWords(event)}`, width, " ".repeat(13));

function sessionInWords({ cleanSession, sessionPresent }: Named<"connected">): string {
  if (cleanSession) return "clean: the broker forgets it when the connection ends";
  return sessionPresent
    ? "resumed: the broker kept it while this client was away"
    : "new; the broker will keep it (clean session false)";
}

/** What --forget has done. */
export function forgottenText(clientId: string, cleared: string[], { out, width }: Screen): string {
  const session = `the broker keeps nothing for ${escapeText(clientId)} any more [MQTT-3.1.2-6]`;
  const topics = cleared.map(topic => `; nothing is retained on ${escapeText(topic)} [MQTT-3.3.1-10]`);
  return out.good(fold(session + topics.join(""), width));
}
