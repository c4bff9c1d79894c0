import { pastLimit } from "../broker/limits/limits.js";
import type { BrokerEvent, EndCause } from "../events/events.js";
import { clock, columnsOf, cut, fold, HANGING, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Theme } from "./theme.js";
import type { Renderer } from "./renderer.js";
import { foldAt, type Screen } from "./screen.js";
import { statusText } from "./status-text.js";
import { formatDiagnostic } from "./diagnostic-text.js";

/** "HH:MM:SS" and the gap after it. */
const TIME_WIDTH = 10;
/** The column of client identifiers grows up to that, so that a made-up one of 36 leaves room for the rest. */
const NAME_WIDTH = { least: 11, most: 16 };

const LONGEST_CLAUSE = 20;

/** What is acknowledged, by what is waited for. */
const SURVIVES = { disk: "survives a power cut", write: "survives the broker's death" } as const;

interface LogLine {
  name: string;
  what: string;
  clause?: string;
  style?: keyof Theme;
}

type Named<Name> = Extract<BrokerEvent, { event: Name }>;

const ENDS: Record<EndCause, { why: string; clause?: string }> = {
  graceful: { why: "DISCONNECT" },
  "connection-closed": { why: "connection closed, without DISCONNECT" },
  "network-error": { why: "connection reset or broken, without DISCONNECT" },
  "keep-alive-timeout": { why: "silent for 1.5 × keep alive", clause: "[MQTT-3.1.2-24]" },
  "protocol-error": { why: "broke the protocol", clause: "[MQTT-4.8.0-1]" },
  "taken-over": { why: "another client has its ID", clause: "[MQTT-3.1.4-2]" },
  limit: { why: "past a limit of this broker" },
  "not-authorized": { why: "has no right to that", clause: "[MQTT-3.3.5-2]" },
  "broker-stopped": { why: "the broker stops" },
};

/** What the log says about each event; an event that isn't here has no line. */
const LINES: { [Name in BrokerEvent["event"]]?: (event: Named<Name>) => LogLine } = {
  "store-opened": ({ sessions, messages, retained, wills }) => ({
    name: "",
    what: `found ${some(sessions, "session")}, ${messages} queued, ${retained} retained, ${some(wills, "will")} due`,
    style: "accent",
  }),
  "users-read": ({ file, users, anonymous }) => ({
    name: "",
    what: `${some(users, "user")}${anonymous ? ", and anonymous clients" : ""} from ${file}`,
    style: "accent",
  }),
  "not-authorized": ({ clientId, user, action, topic }) => ({
    name: clientId,
    what: `${user ?? "anonymous"} may not ${action} ${action === "publish" ? "→" : "←"} ${topic}`,
    style: "notice",
  }),
  "password-set": ({ file, user, added }) => ({
    name: "",
    what: `${added ? "the user" : "another password for"} ${user} in ${file}`,
  }),
  "client-connected": ({ clientId, cleanSession, keepAlive, user }) => ({
    name: clientId,
    what: `connected${user === null ? "" : ` as ${user}`}, ${cleanSession ? "clean" : "stored"} session, ${keepAlive === 0 ? "no keep alive" : `keep alive ${keepAlive} s`}`,
  }),
  "client-refused": ({ clientId, address, reason }) => ({
    name: clientId || address,
    what: `refused: ${reason}`,
    style: "notice",
  }),
  "client-disconnected": ({ clientId, cause, limit }) => {
    const { why, clause } = ENDS[cause];
    const what = `gone: ${limit ? pastLimit(limit) : why}`;
    return { name: clientId, what, ...(clause && { clause }), ...(limit && { style: "notice" }) };
  },
  "subscription-refused": ({ clientId, topicFilter, limit }) => ({
    name: clientId,
    what: `not subscribed, ${pastLimit(limit)} ← ${topicFilter}`,
    style: "notice",
  }),
  "will-stored": ({ clientId, topic, qos, retain }) => ({
    name: clientId,
    what: `will kept, QoS ${qos}${retain ? ", retained" : ""} → ${topic}`,
  }),
  "will-published": ({ clientId, topic, clause }) => ({
    name: clientId,
    what: `will SENT → ${topic}`,
    clause,
    style: "bad",
  }),
  "will-discarded": ({ clientId, cause, clause }) => ({
    name: clientId,
    what: `will thrown away: ${ENDS[cause].why}`,
    clause,
    style: "good",
  }),
  subscribed: ({ clientId, topicFilter, qos }) => ({
    name: clientId,
    what: `subscribed, QoS ${qos} ← ${topicFilter}`,
  }),
  unsubscribed: ({ clientId, topicFilter }) => ({ name: clientId, what: `unsubscribed ← ${topicFilter}` }),
  "session-stored": ({ clientId, queued }) => ({
    name: clientId,
    what: `session kept, ${count(queued)}`,
    style: "accent",
  }),
  "session-resumed": ({ clientId, queued }) => ({
    name: clientId,
    what: `session resumed, ${count(queued)}`,
    style: "accent",
  }),
  "session-ended": ({ clientId, queued }) => ({
    name: clientId,
    what: `stored session thrown away, ${count(queued)}`,
    style: "accent",
  }),
  "message-queued": ({ clientId, topic, queued }) => ({
    name: clientId,
    what: `${queued} queued ← ${topic}`,
  }),
  // The oldest of a full queue, one at QoS 0 for a client that reads too slowly, or one that is not its to receive now.
  "message-dropped": ({ clientId, topic, limit }) => ({
    name: clientId,
    what: `dropped, ${limit ? pastLimit(limit) : "not authorized"} ← ${topic}`,
    style: "bad",
  }),
  "message-retained": ({ topic }) => ({ name: "", what: `retained → ${topic}` }),
  "will-not-retained": ({ clientId, topic, limit }) => ({
    name: clientId,
    what: `will not retained, ${pastLimit(limit)} → ${topic}`,
    style: "notice",
  }),
  "retained-cleared": ({ topic }) => ({ name: "", what: `retained message cleared → ${topic}` }),
  "events-omitted": ({ count }) => ({
    name: "",
    what: `${count} more left out`,
    style: "dim",
  }),
};

const some = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;

const count = (queued: number) => (queued === 0 ? "nothing queued" : `${queued} queued`);

const listed = (all: string[]) =>
  all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;

/** The broker's log. */
export function brokerText(screen: Screen): Renderer<BrokerEvent> {
  const { out: paint } = screen;
  let nameWidth = NAME_WIDTH.least;

  const logLine = (time: string, { name, what, clause = "", style }: LogLine) => {
    const shownName = cut(escapeText(name), NAME_WIDTH.most);
    nameWidth = Math.max(nameWidth, columnsOf(shownName));
    const right = clause && ` ${cut(escapeText(clause), LONGEST_CLAUSE)}`;
    const room = screen.width - TIME_WIDTH - nameWidth - 2 - columnsOf(right);
    const text = cut(escapeText(what), room);
    const shown = right ? pad(text, room) : text;
    const styled = style ? paint[style](shown) : shown;
    return `${paint.dim(clock(time))}  ${pad(shownName, nameWidth)}  ${styled}${paint.dim(right)}`;
  };

  return event => {
    if (event.event === "listening") {
      const { urls, data, sync } = event;
      const kept =
        data === null
          ? "in memory: sessions end when it stops"
          : `kept on disk in ${data}: ${SURVIVES[sync ?? "disk"]}`;
      const text = escapeText(`lwt-broker on ${listed(urls)}, ${kept}`);
      return { out: `${paint.bold(fold(text, screen.width))}\n` };
    }
    if (event.event === "broker-status") return { out: statusText(event, screen.width) };
    if (event.event === "warning" || event.event === "error") {
      const style = event.event === "error" ? "bad" : "notice";
      return { err: formatDiagnostic("lwt-broker", style, event.message, event.hint, screen) };
    }
    if (event.event === "packet") {
      const { time, direction, clientId, address, description } = event;
      const text = `${clock(time)}  ${clientId || address} ${direction === "sent" ? "->" : "<-"} ${description}`;
      return { err: fold(escapeText(text), foldAt(screen), HANGING) };
    }
    // The table pairs each name with its own event.
    const line = LINES[event.event] as ((event: BrokerEvent) => LogLine) | undefined;
    return line && { out: logLine(event.time, line(event)) };
  };
}
