import type { ClientEvent, ProtocolVersion, Timed } from "../events/events.js";
import { MAX_MQTT_SECONDS } from "../config/options/client-options.js";
import { clock, cut, edges, fold, HANGING } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Rendered, Renderer } from "./renderer.js";
import { foldAt, type Screen } from "./screen.js";
import { settingsText } from "./settings-text.js";
import { formatDiagnostic } from "./diagnostic-text.js";

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
      return { err: formatDiagnostic(name, "notice", message, hint, screen) };
    },
    error: ({ message, hint }) => ({ err: formatDiagnostic(name, "bad", message, hint, screen), live: null }),
    settings: ({ settings }) => ({ out: settingsText(settings, screen.width) }),
    packet: ({ time, direction, description }) => {
      const text = `${clock(time)}  ${direction === "sent" ? "->" : "<-"} ${escapeText(description)}`;
      // Elsewhere a packet stays on its line, where grep finds all of it.
      return { err: fold(text, foldAt(screen), HANGING) };
    },
  } satisfies TextTable;
}

/** It is connected once more; where, if that is another broker than before. */
export function reconnectText({ time, broker }: Named<"connected">, before: string, screen: Screen): string {
  const where = broker === before ? "" : `, now to ${escapeText(broker)}`;
  return fold(`${clock(time)}  connected again${where}`, foldAt(screen), HANGING);
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

function sessionInWords({ cleanSession, sessionPresent, granted }: Named<"connected">): string {
  if (cleanSession) return "clean: the broker forgets it when the connection ends";
  if (!granted)
    return sessionPresent
      ? "resumed: the broker kept it while this client was away"
      : "new; the broker will keep it (clean session false)";
  const kept =
    granted.sessionExpiry === 0
      ? "forgets it when the connection ends (expiry 0)"
      : `keeps it ${duration(granted.sessionExpiry)} without a connection`;
  return `${sessionPresent ? "resumed" : "new"}; the broker ${kept}`;
}

const UNITS = [
  [86_400, "day"],
  [3600, "hour"],
] as const;

/** Of a session's expiry: "for 2 days", "for 90 s". */
function duration(seconds: number): string {
  if (seconds === MAX_MQTT_SECONDS) return "for ever";
  const [length, unit] = UNITS.find(([length]) => seconds % length === 0) ?? [1, "s"];
  const count = seconds / length;
  return `for ${count} ${unit}${unit === "s" || count === 1 ? "" : "s"}`;
}

/** What a broker that speaks MQTT 5 takes less of than this client would send; empty: nothing. */
export function limitsText({ granted }: Named<"connected">, { width }: Screen): string[] {
  if (!granted) return [];
  const { receiveMaximum, maximumQos, retainAvailable, maximumPacketSize } = granted;
  const limits = [
    ...(granted.keepAlive === null ? [] : [`keep alive ${granted.keepAlive} s`]),
    ...(receiveMaximum < 65_535 ? [`${receiveMaximum} unacknowledged messages at once`] : []),
    ...(maximumQos < 2 ? [`QoS ${maximumQos} at most`] : []),
    ...(retainAvailable ? [] : ["no retained messages"]),
    ...(maximumPacketSize === null ? [] : [`packets of ${maximumPacketSize} bytes at most`]),
  ];
  return limits.length === 0 ? [] : [fold(`  broker     ${limits.join(", ")}`, width, " ".repeat(13))];
}

/** Where each version of the standard has a session end with a clean CONNECT, and a retained message with an empty one. */
const FORGETTING: Record<ProtocolVersion, { session: string; retained: string }> = {
  "3.1.1": { session: "MQTT-3.1.2-6", retained: "MQTT-3.3.1-10" },
  "5": { session: "MQTT-3.1.2-4", retained: "MQTT-3.3.1-6" },
};

/** What --forget has done. */
export function forgottenText(
  { broker, clientId, cleared }: Pick<Named<"forgotten">, "broker" | "clientId" | "cleared">,
  { protocolVersion }: { protocolVersion: ProtocolVersion },
  { out, width }: Screen,
): string {
  const clauses = FORGETTING[protocolVersion];
  const session = `${escapeText(broker)} keeps nothing for ${escapeText(clientId)} any more [${clauses.session}]`;
  const topics = cleared.map(topic => `; nothing is retained on ${escapeText(topic)} [${clauses.retained}]`);
  return out.good(fold(session + topics.join(""), width));
}
