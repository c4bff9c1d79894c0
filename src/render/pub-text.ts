import { willDelayOf } from "../protocol/session-expiry.js";
import type { ClientEvent, EventOf, FailCause, SentSummary, Timed } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import {
  reconnectText,
  forgottenText,
  heading,
  limitsText,
  renderBy,
  sessionText,
  sharedText,
} from "./client-text.js";
import { localTime, truncate, justify, wrapHard, TIME_INDENT, justifyTruncated } from "./text-layout.js";
import { escapeText } from "./escape.js";
import { payloadText } from "./payload-text.js";
import type { Rendered, Renderer } from "./renderer.js";
import { errWrapWidth, type Screen } from "./screen.js";

type Published = EventOf<ClientEvent, "published">;
type ShownMessage = Pick<Published, "seq" | "topic" | "payload" | "qos">;

export const FAILURE_TEXT: Record<FailCause, string> = {
  network: "resetting the connection, as a failing network does",
  "keep-alive": "falling silent, with the socket open",
  "no-disconnect": "closing the socket without DISCONNECT",
  "protocol-error": "sending packet type 0, which MQTT forbids",
  "disconnect-with-will": "sending DISCONNECT 0x04, which requests the will",
  crash: "killing this process; a subscriber can see the will",
  graceful: "sending DISCONNECT, the control",
};

/** Renders pub-lwt. */
export function pubText(settings: PubSettings, screen: Screen): Renderer<ClientEvent> {
  const { out: paint, err } = screen;
  const { fail, statusTopic } = settings;
  const shared = sharedText("pub-lwt", screen);
  /** By packet identifier. A message is shown when it is acknowledged. */
  const unacknowledged = new Map<number | null, Published>();
  let lastBroker: string | null = null;
  let isStopping = false;

  const line = (time: string, { seq, topic, payload, qos }: ShownMessage, right: string): Rendered => {
    const number = seq === null ? "   " : String(seq).padStart(3);
    const shownRight = right || `QoS ${qos}`;
    const room = screen.width - 8 - 2 - number.length - 2 - 2 - shownRight.length;
    const text =
      topic === statusTopic
        ? truncate(
            payload === ""
              ? `status cleared on ${escapeText(topic)}`
              : `"${escapeText(payload)}" → ${escapeText(topic)}`,
            room,
          )
        : payloadText(payload, null, room);
    const shown = justify(`${localTime(time)}  ${number}  ${text}`, shownRight, screen.width);
    return { out: paint.dim(shown.slice(0, 8)) + shown.slice(8) };
  };

  const setupText = (event: Timed<EventOf<ClientEvent, "connected">>): string => {
    const { will, willDelay } = event;
    const retained = will?.retain ? ", retained" : "";
    const delayed = willDelay ? `, after ${willDelay} s` : "";
    const published = settings.source.kind === "readings" ? "readings" : "messages";
    return [
      heading(event, "→", screen),
      sessionText(event, screen),
      ...limitsText(event, screen),
      will
        ? justifyTruncated(
            `  last will  "${escapeText(will.payload)}" → ${escapeText(will.topic)}`,
            `QoS ${will.qos}${retained}${delayed}`,
            screen.width,
          )
        : "  last will  none",
      justifyTruncated(
        `  ${published}   ${escapeText(settings.readingsTopic)}${paceText(settings)}`,
        `QoS ${settings.qos}`,
        screen.width,
      ),
      ...(fail && fail.after === null ? [`  to fail    press Enter: ${fail.cause}`] : []),
      "",
    ].join("\n");
  };

  return renderBy(
    {
      connected: event => {
        if (settings.mode === "forget") return { live: null };
        const before = lastBroker;
        lastBroker = event.broker;
        if (before !== null) return { err: err.good(reconnectText(event, before, screen)), live: null };
        return { err: setupText(event), live: null };
      },
      published: event => {
        if (event.payload === "Sensor Stopped" && event.topic === statusTopic) isStopping = true;
        if (event.qos === 0) return line(event.time, event, "");
        unacknowledged.set(event.packetId, event);
        return undefined;
      },
      "outbox-stored": event => line(event.time, event, "stored"),
      acknowledged: ({ time, packetId, milliseconds }) => {
        const published = unacknowledged.get(packetId);
        unacknowledged.delete(packetId);
        return published && line(time, published, `ack ${Math.max(1, Math.round(milliseconds))} ms`);
      },
      failing: ({ time, cause, keepAliveDeadline }) => {
        const until = keepAliveDeadline ? `; the broker waits until ${localTime(keepAliveDeadline)}` : "";
        const delay = willDelayOf(settings.connection);
        const later = delay > 0 && cause !== "graceful" ? `; the will's delay is ${delay} s` : "";
        const what = `${localTime(time)}  ${FAILURE_TEXT[cause]}${until}${later}`;
        return {
          out: paint.notice(wrapHard(what, screen.width, TIME_INDENT)),
          ...countdown(keepAliveDeadline),
        };
      },
      "outbox-opened": ({ folder, messages }) =>
        messages === 0
          ? undefined
          : {
              err: wrapHard(
                `${waitingText(messages)} in ${escapeText(folder)}: sent first`,
                errWrapWidth(screen),
              ),
            },
      witnessed: event => ({ out: witnessedText(event, settings, screen), live: null }),
      disconnected: event => {
        if (!event.graceful) return shared.disconnected(event);
        return settings.mode === "forget"
          ? undefined
          : {
              err: wrapHard(
                gracefulEndText(event.time, settings, isStopping),
                errWrapWidth(screen),
                TIME_INDENT,
              ),
            };
      },
      forgotten: event => ({ out: forgottenText(event, settings.connection, screen) }),
      summary: ({ machines }) => ({
        err: (machines as SentSummary[])
          .map(sent => wrapHard(sentText(settings, sent), errWrapWidth(screen)))
          .join("\n"),
      }),
    },
    shared,
  );
}

/** The time left of 1.5 × keep alive. After it, the broker may be slow. */
function countdown(deadline: string | null): Pick<Rendered, "live"> {
  if (deadline === null) return {};
  const text = (left: number) =>
    left > 0
      ? `  silent; the broker waits ${left} s more`
      : "  the time is over: now the broker must publish the will";
  return { live: { until: Date.parse(deadline), text } };
}

function paceText({ source, interval }: PubSettings): string {
  if (source.kind === "stdin") return ", each line of standard input";
  if (source.kind === "message") return "";
  return interval === 0 ? ", as fast as it goes" : `, every ${interval} s`;
}

function gracefulEndText(time: string, { connection, fail }: PubSettings, isStopping: boolean): string {
  const sent = isStopping ? '"Sensor Stopped" published, DISCONNECT sent' : "DISCONNECT sent";
  if (!connection.will) return `${localTime(time)}  ${sent}`;
  const discarded = `${localTime(time)}  ${sent}: the broker discards the will.`;
  return fail ? discarded : `${discarded} To see it published: npx pub-lwt --fail no-disconnect`;
}

function witnessedText(
  { time, cause, will, milliseconds }: Timed<EventOf<ClientEvent, "witnessed">>,
  { connection }: PubSettings,
  { out: paint, width }: Screen,
): string {
  const after = milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
  const payload = `"${escapeText(connection.will?.payload ?? "")}"`;
  const isAsExpected = will === (cause !== "graceful");
  const result = will
    ? `the witness received the will ${payload} after ${after}`
    : cause === "graceful"
      ? `no will arrived before the witness's marker, ${after} after DISCONNECT [MQTT-3.14.4-3]`
      : `no will arrived within ${after}: the broker must publish it [MQTT-3.1.2-8]`;
  return paint[isAsExpected ? "good" : "bad"](wrapHard(`${localTime(time)}  ${result}`, width, TIME_INDENT));
}

const waitingText = (messages: number) =>
  messages === 1 ? "1 message of an earlier run waits" : `${messages} messages of earlier runs wait`;

function sentText({ qos }: PubSettings, summary: SentSummary): string {
  const { sent, acknowledged, notAcknowledged, fromOutbox, inOutbox } = summary;
  if (qos === 0) return `${sent} sent at QoS 0, without acknowledgment`;
  const earlier = fromOutbox ? ` (${fromOutbox} from earlier runs)` : "";
  const open = notAcknowledged > 0 ? `, ${notAcknowledged} NOT acknowledged` : "";
  const left = inOutbox ? `; ${inOutbox} stored in the outbox, to be sent first at the next start` : "";
  return `${sent} sent${earlier}, ${acknowledged} acknowledged${open}${left}`;
}
