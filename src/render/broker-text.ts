import { pastLimit } from "../broker/limits/limits.js";
import type { BrokerEvent, EndCause, EventOf } from "../events/events.js";
import { localTime, displayWidth, truncate, wrapHard, TIME_INDENT, pad, plural } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Theme } from "./theme.js";
import type { Renderer } from "./renderer.js";
import { errWrapWidth, type Screen } from "./screen.js";
import { statusText } from "./status-text.js";
import { formatDiagnostic } from "./diagnostic-text.js";

/** "HH:MM:SS" and the gap after it. */
const TIME_WIDTH = 10;
/** The column of client identifiers grows with them, but a generated one of 36 characters is truncated. */
const NAME_WIDTH = { min: 11, max: 16 };
const MAX_CLAUSE_WIDTH = 20;

/** Of an acknowledged message, by --sync. */
const SYNC_TEXT = { disk: "survives a power cut", write: "survives the end of the process" } as const;

interface LogLine {
  name: string;
  text: string;
  clause?: string;
  style?: keyof Theme;
}

const END_TEXT: Record<EndCause, { why: string; clause?: string }> = {
  graceful: { why: "DISCONNECT" },
  "connection-closed": { why: "connection closed, without DISCONNECT" },
  "network-error": { why: "connection reset or broken, without DISCONNECT" },
  "keep-alive-timeout": { why: "silent for 1.5 × keep alive", clause: "[MQTT-3.1.2-24]" },
  "protocol-error": { why: "protocol error", clause: "[MQTT-4.8.0-1]" },
  "taken-over": { why: "another client connected with its ID", clause: "[MQTT-3.1.4-2]" },
  limit: { why: "exceeded a limit of this broker" },
  "not-authorized": { why: "not authorized", clause: "[MQTT-3.3.5-2]" },
  "broker-stopped": { why: "the broker stops" },
};

/** An event without an entry has no line in the log. */
const logLines: { [Name in BrokerEvent["event"]]?: (event: EventOf<BrokerEvent, Name>) => LogLine } = {
  "store-opened": ({ sessions, messages, retained, wills }) => ({
    name: "",
    text: `found ${plural(sessions, "session")}, ${messages} queued, ${retained} retained, ${plural(wills, "will")} to publish`,
    style: "accent",
  }),
  "users-read": ({ file, users, anonymous }) => ({
    name: "",
    text: `${plural(users, "user")}${anonymous ? ", and anonymous clients" : ""} from ${file}`,
    style: "accent",
  }),
  "not-authorized": ({ clientId, user, action, topic }) => ({
    name: clientId,
    text: `${user ?? "anonymous"} may not ${action} ${action === "publish" ? "→" : "←"} ${topic}`,
    style: "notice",
  }),
  "password-set": ({ file, user, added }) => ({
    name: "",
    text: `${added ? "the user" : "another password for"} ${user} in ${file}`,
  }),
  "client-connected": ({ clientId, cleanSession, keepAlive, user }) => ({
    name: clientId,
    text: `connected${user === null ? "" : ` as ${user}`}, ${cleanSession ? "clean" : "stored"} session, ${keepAlive === 0 ? "no keep alive" : `keep alive ${keepAlive} s`}`,
  }),
  "client-refused": ({ clientId, address, reason }) => ({
    name: clientId || address,
    text: `refused: ${reason}`,
    style: "notice",
  }),
  "client-disconnected": ({ clientId, cause, limit }) => {
    const { why, clause } = END_TEXT[cause];
    const text = `disconnected: ${limit ? pastLimit(limit) : why}`;
    return { name: clientId, text, ...(clause && { clause }), ...(limit && { style: "notice" }) };
  },
  "subscription-refused": ({ clientId, topicFilter, limit }) => ({
    name: clientId,
    text: `not subscribed, ${pastLimit(limit)} ← ${topicFilter}`,
    style: "notice",
  }),
  "will-stored": ({ clientId, topic, qos, retain }) => ({
    name: clientId,
    text: `will stored, QoS ${qos}${retain ? ", retained" : ""} → ${topic}`,
  }),
  "will-published": ({ clientId, topic, clause }) => ({
    name: clientId,
    text: `will PUBLISHED → ${topic}`,
    clause,
    style: "bad",
  }),
  "will-discarded": ({ clientId, cause, clause }) => ({
    name: clientId,
    text: `will discarded: ${END_TEXT[cause].why}`,
    clause,
    style: "good",
  }),
  subscribed: ({ clientId, topicFilter, qos }) => ({
    name: clientId,
    text: `subscribed, QoS ${qos} ← ${topicFilter}`,
  }),
  unsubscribed: ({ clientId, topicFilter }) => ({ name: clientId, text: `unsubscribed ← ${topicFilter}` }),
  "session-stored": ({ clientId, queued }) => ({
    name: clientId,
    text: `session stored, ${queuedText(queued)}`,
    style: "accent",
  }),
  "session-resumed": ({ clientId, queued }) => ({
    name: clientId,
    text: `session resumed, ${queuedText(queued)}`,
    style: "accent",
  }),
  "session-ended": ({ clientId, queued }) => ({
    name: clientId,
    text: `stored session ended, ${queuedText(queued)}`,
    style: "accent",
  }),
  "message-queued": ({ clientId, topic, queued }) => ({
    name: clientId,
    text: `${queued} queued ← ${topic}`,
  }),
  "message-dropped": ({ clientId, topic, limit }) => ({
    name: clientId,
    text: `dropped, ${limit ? pastLimit(limit) : "not authorized"} ← ${topic}`,
    style: "bad",
  }),
  "message-retained": ({ topic }) => ({ name: "", text: `retained → ${topic}` }),
  "will-not-retained": ({ clientId, topic, limit }) => ({
    name: clientId,
    text: `will not retained, ${pastLimit(limit)} → ${topic}`,
    style: "notice",
  }),
  "retained-cleared": ({ topic }) => ({ name: "", text: `retained message cleared → ${topic}` }),
  "events-omitted": ({ count }) => ({
    name: "",
    text: `${count} more left out`,
    style: "dim",
  }),
};

const queuedText = (queued: number) => (queued === 0 ? "nothing queued" : `${queued} queued`);

const joinWithAnd = (all: string[]) =>
  all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;

/** Renders the broker's log. */
export function brokerText(screen: Screen): Renderer<BrokerEvent> {
  const { out: paint } = screen;
  let nameWidth = NAME_WIDTH.min;

  const logLine = (time: string, { name, clause = "", style, ...line }: LogLine) => {
    const shownName = truncate(escapeText(name), NAME_WIDTH.max);
    nameWidth = Math.max(nameWidth, displayWidth(shownName));
    const right = clause && ` ${truncate(escapeText(clause), MAX_CLAUSE_WIDTH)}`;
    const room = screen.width - TIME_WIDTH - nameWidth - 2 - displayWidth(right);
    const text = truncate(escapeText(line.text), room);
    const shown = right ? pad(text, room) : text;
    const styled = style ? paint[style](shown) : shown;
    return `${paint.dim(localTime(time))}  ${pad(shownName, nameWidth)}  ${styled}${paint.dim(right)}`;
  };

  return event => {
    if (event.event === "listening") {
      const { urls, data, sync } = event;
      const store =
        data === null
          ? "in memory: sessions end when it stops"
          : `stored on disk in ${data}: ${SYNC_TEXT[sync ?? "disk"]}`;
      const text = escapeText(`lwt-broker on ${joinWithAnd(urls)}, ${store}`);
      return { out: `${paint.bold(wrapHard(text, screen.width))}\n` };
    }
    if (event.event === "broker-status") return { out: statusText(event, screen.width) };
    if (event.event === "warning" || event.event === "error") {
      const style = event.event === "error" ? "bad" : "notice";
      return { err: formatDiagnostic("lwt-broker", style, event.message, event.hint, screen) };
    }
    if (event.event === "packet") {
      const { time, direction, clientId, address, description } = event;
      const text = `${localTime(time)}  ${clientId || address} ${direction === "sent" ? "->" : "<-"} ${description}`;
      return { err: wrapHard(escapeText(text), errWrapWidth(screen), TIME_INDENT) };
    }
    // logLines pairs each name with its own event.
    const line = logLines[event.event] as ((event: BrokerEvent) => LogLine) | undefined;
    return line && { out: logLine(event.time, line(event)) };
  };
}
