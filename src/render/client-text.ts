import type { ClientEvent, EventOf, ProtocolVersion, Timed } from "../events/events.js";
import { MAX_MQTT_SECONDS } from "../config/options/client-options.js";
import { localTime, truncate, justify, wrapHard, TIME_INDENT } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Rendered, Renderer } from "./renderer.js";
import { errWrapWidth, type Screen } from "./screen.js";
import { settingsText } from "./settings-text.js";
import { formatDiagnostic } from "./diagnostic-text.js";

type TimedEvent<Name extends ClientEvent["event"]> = Timed<EventOf<ClientEvent, Name>>;

/** Texts by event name; an event without an entry shows nothing. */
export type TextTable = {
  [Name in ClientEvent["event"]]?: (event: TimedEvent<Name>) => Rendered | undefined;
};

/** A renderer from tables; the first one with an entry for the event decides. */
export const renderBy =
  (...tables: TextTable[]): Renderer<ClientEvent> =>
  event => {
    const table = tables.find(({ [event.event]: text }) => text !== undefined);
    // The table pairs each name with its own event.
    const text = table?.[event.event] as ((event: Timed<ClientEvent>) => Rendered | undefined) | undefined;
    return text?.(event);
  };

/** Texts that both clients share: diagnostics, settings, and packets for --debug. */
export function sharedText(name: string, screen: Screen) {
  /** The last warning already said that the client goes on trying. */
  let isRetryShown = false;
  /** Why the connection was lost, if the last lines show it. */
  let shownReason: string | null = null;
  return {
    connecting: ({ time, broker }) => ({
      live: { until: Date.parse(time), text: () => `  connecting to ${escapeText(broker)}` },
    }),
    connected: () => ({ live: null }),
    reconnecting: ({ time, inSeconds, secondsLeft, reason, attempt }) => {
      const why = reason === shownReason ? "" : `${escapeText(reason)}; `;
      const again = `${localTime(time)}  ${why}trying again in ${inSeconds.toFixed(1)} s`;
      const isNews = attempt === 1 && !isRetryShown;
      isRetryShown = false;
      shownReason = null;
      return {
        ...(isNews && { err: wrapHard(again, errWrapWidth(screen), TIME_INDENT) }),
        live: {
          until: Date.parse(time) + secondsLeft * 1000,
          text: left => `  still trying, for ${left} s more`,
        },
      };
    },
    disconnected: ({ time, graceful, reason }) => {
      if (graceful) return { live: null };
      shownReason = reason;
      const lost = `${localTime(time)}  connection lost: ${escapeText(reason)}`;
      return { err: screen.err.notice(wrapHard(lost, errWrapWidth(screen), TIME_INDENT)) };
    },
    warning: ({ message, hint }) => {
      isRetryShown = true;
      return { err: formatDiagnostic(name, "notice", message, hint, screen) };
    },
    error: ({ message, hint }) => ({ err: formatDiagnostic(name, "bad", message, hint, screen), live: null }),
    settings: ({ settings }) => ({ out: settingsText(settings, screen.width) }),
    packet: ({ time, direction, description }) => {
      const text = `${localTime(time)}  ${direction === "sent" ? "->" : "<-"} ${escapeText(description)}`;
      // Wraps on a terminal only: in a file, grep finds all of a packet on one line.
      return { err: wrapHard(text, errWrapWidth(screen), TIME_INDENT) };
    },
  } satisfies TextTable;
}

/** Names the broker if it is another one than before. */
export function reconnectText(
  { time, broker }: TimedEvent<"connected">,
  before: string,
  screen: Screen,
): string {
  const where = broker === before ? "" : `, now to ${escapeText(broker)}`;
  return wrapHard(`${localTime(time)}  connected again${where}`, errWrapWidth(screen), TIME_INDENT);
}

export function heading(
  { clientId, broker }: TimedEvent<"connected">,
  arrow: string,
  { err, width }: Screen,
): string {
  const left = truncate(`${escapeText(clientId)} ${arrow} ${escapeText(broker)}`, width);
  return err.bold(left) + justify(left, "Ctrl-C stops gracefully", width).slice(left.length);
}

/** The line under the heading, from CONNACK. */
export const sessionText = (event: TimedEvent<"connected">, { width }: Screen): string =>
  wrapHard(`  session    ${sessionDescription(event)}`, width, " ".repeat(13));

function sessionDescription({ cleanSession, sessionPresent, granted }: TimedEvent<"connected">): string {
  if (cleanSession) return "clean: it ends with the connection";
  if (!granted)
    return sessionPresent
      ? "resumed: the broker stored it while this client was away"
      : "new; the broker will store it (clean session false)";
  const expiry =
    granted.sessionExpiry === 0
      ? "ends it with the connection (expiry 0)"
      : `stores it ${durationText(granted.sessionExpiry)} without a connection`;
  return `${sessionPresent ? "resumed" : "new"}; the broker ${expiry}`;
}

const UNITS = [
  [86_400, "day"],
  [3600, "hour"],
] as const;

/** "for 2 days", "for 90 s". */
function durationText(seconds: number): string {
  if (seconds === MAX_MQTT_SECONDS) return "without a limit";
  const [length, unit] = UNITS.find(([length]) => seconds % length === 0) ?? [1, "s"];
  const count = seconds / length;
  return `for ${count} ${unit}${unit === "s" || count === 1 ? "" : "s"}`;
}

/** The limits in an MQTT 5 broker's CONNACK that are below what the client may send. */
export function limitsText({ granted }: TimedEvent<"connected">, { width }: Screen): string[] {
  if (!granted) return [];
  const { receiveMaximum, maximumQos, retainAvailable, maximumPacketSize } = granted;
  const limits = [
    ...(granted.keepAlive === null ? [] : [`keep alive ${granted.keepAlive} s`]),
    ...(receiveMaximum < 65_535 ? [`${receiveMaximum} unacknowledged messages at once`] : []),
    ...(maximumQos < 2 ? [`QoS ${maximumQos} at most`] : []),
    ...(retainAvailable ? [] : ["no retained messages"]),
    ...(maximumPacketSize === null ? [] : [`packets of ${maximumPacketSize} bytes at most`]),
  ];
  return limits.length === 0 ? [] : [wrapHard(`  broker     ${limits.join(", ")}`, width, " ".repeat(13))];
}

/** Clauses that end a session with a clean CONNECT, and a retained message with an empty one. */
const CLAUSES: Record<ProtocolVersion, { session: string; retained: string }> = {
  "3.1.1": { session: "MQTT-3.1.2-6", retained: "MQTT-3.3.1-10" },
  "5": { session: "MQTT-3.1.2-4", retained: "MQTT-3.3.1-6" },
};

export function forgottenText(
  { broker, clientId, cleared }: Pick<TimedEvent<"forgotten">, "broker" | "clientId" | "cleared">,
  { protocolVersion }: { protocolVersion: ProtocolVersion },
  { out, width }: Screen,
): string {
  const clauses = CLAUSES[protocolVersion];
  const session = `${escapeText(broker)} no longer stores a session for ${escapeText(clientId)} [${clauses.session}]`;
  const topics = cleared.map(topic => `; nothing is retained on ${escapeText(topic)} [${clauses.retained}]`);
  return out.good(wrapHard(session + topics.join(""), width));
}
