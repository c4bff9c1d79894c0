import type { ClientEvent, Timed } from "../events.js";
import { clock, cut, edges, WIDTH, wrap } from "./columns.js";
import { escapeText } from "./escape.js";
import type { Paint } from "./paint.js";
import type { Rendered, Renderer } from "./rendered.js";

/** Colours for each stream; either may be a pipe. */
export interface Paints {
  out: Paint;
  err: Paint;
}

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

/** What both clients say alike: troubles, and what --debug shows. */
export const sharedText = (name: string, { err: paint }: Paints): TextTable => ({
  reconnecting: ({ time, inSeconds, reason, attempt }) =>
    attempt > 1
      ? undefined
      : {
          err: paint.dim(
            wrap(`${clock(time)}  ${escapeText(reason)}; trying again in ${inSeconds.toFixed(1)} s`),
          ),
        },
  disconnected: ({ time, graceful, reason }) =>
    graceful
      ? undefined
      : { err: paint.notice(wrap(`${clock(time)}  connection lost: ${escapeText(reason)}`)) },
  warning: ({ message, hint }) => ({ err: trouble(name, "notice", message, hint, paint) }),
  error: ({ message, hint }) => ({ err: trouble(name, "bad", message, hint, paint) }),
  packet: ({ time, direction, description }) => ({
    err: paint.dim(`${clock(time)}  ${direction === "sent" ? "->" : "<-"} ${escapeText(description)}`),
  }),
});

/** One line on what is wrong, one on what to do; each wrapped where it is longer. */
export function trouble(
  name: string,
  style: "bad" | "notice",
  message: string,
  hint: string,
  paint: Paint,
): string {
  const what = paint[style](wrap(`${name}: ${escapeText(message)}`));
  return hint === "" ? what : `${what}\n${wrap(`  ${escapeText(hint)}`, "    ")}`;
}

/** The first lines: who is connected where, and how to leave. */
export function heading({ clientId, broker }: Named<"connected">, arrow: string, paint: Paint): string {
  const left = cut(`${escapeText(clientId)} ${arrow} ${escapeText(broker)}`, WIDTH);
  return paint.bold(edges(left, "Ctrl-C stops gracefully"));
}

/** What CONNACK said about the session, in words. */
export function sessionText({ cleanSession, sessionPresent }: Named<"connected">): string {
  if (cleanSession) return "clean: the broker forgets it when the connection ends";
  return sessionPresent
    ? "resumed: the broker kept it while this client was away"
    : "new; the broker will keep it (clean session false)";
}
