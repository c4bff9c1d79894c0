import type { ClientEvent, FailCause, SentSummary, Timed } from "../events.js";
import type { PubSettings } from "../settings.js";
import { heading, type Paints, renderBy, sessionText, sharedText } from "./client-text.js";
import { clock, cut, edges, WIDTH, wrap } from "./columns.js";
import { escapeText } from "./escape.js";
import { payloadText } from "./reading-text.js";
import type { Rendered, Renderer } from "./rendered.js";

type Published = Extract<ClientEvent, { event: "published" }>;

const failures: Record<FailCause, string> = {
  network: "resetting the connection, as a failing network does",
  "keep-alive": "falling silent, with the socket open",
  "no-disconnect": "closing the socket without DISCONNECT",
  "protocol-error": "sending packet type 0, which MQTT forbids",
  crash: "killing this process; a subscriber can see the will",
  graceful: "sending DISCONNECT, the control",
};

/** What a person sees of pub-lwt. */
export function pubText(settings: PubSettings, paints: Paints): Renderer<ClientEvent> {
  const { out: paint, err } = paints;
  const { fail, statusTopic } = settings;
  /** Sent, and shown once the acknowledgment is there too. */
  const unacknowledged = new Map<number | null, Published>();
  let introduced = false;
  let stopping = false;

  const line = (time: string, { seq, topic, payload, qos }: Published, right: string): Rendered => {
    const number = seq === null ? "   " : String(seq).padStart(3);
    const room = WIDTH - 8 - 2 - number.length - 2 - 2 - right.length;
    const what = topic === statusTopic ? `"${payload}" → ${topic}` : payload;
    const text = topic === statusTopic ? cut(escapeText(what), room) : payloadText(what, null, room);
    const left = `${clock(time)}  ${number}  ${text}`;
    return { out: edges(left, right || `QoS ${qos}`) };
  };

  const setUp = (event: Extract<Timed<ClientEvent>, { event: "connected" }>): string => {
    const { will } = event;
    const retained = will?.retain ? ", retained" : "";
    return [
      heading(event, "→", err),
      `  session    ${sessionText(event)}`,
      will
        ? edges(
            cut(`  last will  "${escapeText(will.payload)}" → ${escapeText(will.topic)}`, WIDTH - 18),
            `QoS ${will.qos}${retained}`,
          )
        : "  last will  none",
      edges(
        cut(`  readings   ${escapeText(settings.readingsTopic)}${pace(settings)}`, WIDTH - 8),
        `QoS ${settings.qos}`,
      ),
      ...(fail && fail.after === null ? [`  to fail    press Enter: ${fail.cause}`] : []),
      "",
    ].join("\n");
  };

  return renderBy(
    {
      connected: event => {
        if (introduced) return { err: err.good(`${clock(event.time)}  connected again`) };
        introduced = true;
        return { err: setUp(event) };
      },
      published: event => {
        if (event.payload === "Sensor Stopped" && event.topic === statusTopic) stopping = true;
        if (event.qos === 0) return line(event.time, event, "");
        unacknowledged.set(event.packetId, event);
        return undefined;
      },
      acknowledged: ({ time, packetId, milliseconds }) => {
        const published = unacknowledged.get(packetId);
        unacknowledged.delete(packetId);
        return published && line(time, published, `ack ${Math.max(1, Math.round(milliseconds))} ms`);
      },
      failing: ({ time, cause, keepAliveDeadline }) => {
        const until = keepAliveDeadline ? `; the broker waits until ${clock(keepAliveDeadline)}` : "";
        return { out: paint.notice(wrap(`${clock(time)}  ${failures[cause]}${until}`, " ".repeat(10))) };
      },
      witnessed: event => ({ out: witnessedText(event, settings, paints) }),
      disconnected: ({ time, graceful, reason }) => {
        if (!graceful) return { err: err.notice(`${clock(time)}  disconnected: ${escapeText(reason)}`) };
        return { err: wrap(farewell(time, settings, stopping), " ".repeat(10)) };
      },
      summary: ({ machines }) => ({ err: (machines as SentSummary[]).map(sentText(settings)).join("\n") }),
    },
    sharedText("pub-lwt", paints),
  );
}

function pace({ message, interval }: PubSettings): string {
  if (message !== null) return "";
  return interval === 0 ? ", as fast as it goes" : `, every ${interval} s`;
}

function farewell(time: string, { connection, fail }: PubSettings, stopping: boolean): string {
  const sent = stopping ? '"Sensor Stopped" published, DISCONNECT sent' : "DISCONNECT sent";
  if (!connection.will) return `${clock(time)}  ${sent}`;
  const thrownAway = `${clock(time)}  ${sent}: the broker throws the will away.`;
  return fail ? thrownAway : `${thrownAway} To see it sent: npx pub-lwt --fail no-disconnect`;
}

function witnessedText(
  { time, cause, will, milliseconds }: Extract<Timed<ClientEvent>, { event: "witnessed" }>,
  { connection }: PubSettings,
  { out: paint }: Paints,
): string {
  const after = milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
  const payload = `"${escapeText(connection.will?.payload ?? "")}"`;
  const asItShould = will === (cause !== "graceful");
  const said = will
    ? `the witness received the will ${payload} after ${after}`
    : cause === "graceful"
      ? `no will came before the witness's marker, ${after} after DISCONNECT [MQTT-3.14.4-3]`
      : `no will came within ${after}: the broker owes it [MQTT-3.1.2-8]`;
  return paint[asItShould ? "good" : "bad"](wrap(`${clock(time)}  ${said}`, " ".repeat(10)));
}

const sentText =
  ({ qos }: PubSettings) =>
  ({ sent, acknowledged, notAcknowledged }: SentSummary): string =>
    qos === 0
      ? `${sent} sent at QoS 0, which nobody acknowledges`
      : `${sent} sent, ${acknowledged} acknowledged${notAcknowledged > 0 ? `, ${notAcknowledged} NOT acknowledged` : ""}`;
