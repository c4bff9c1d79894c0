import type { ClientEvent, Delivery, MachineState, ReceivedSummary } from "../events.js";
import type { SubSettings } from "../settings.js";
import { heading, type Paints, renderBy, sessionText, sharedText } from "./client-text.js";
import { clock, cut, edges, WIDTH } from "./columns.js";
import { escapeText } from "./escape.js";
import type { Paint } from "./paint.js";
import { payloadText } from "./reading-text.js";
import type { Renderer } from "./rendered.js";

const LABEL_WIDTH = "REDELIVERED".length;
const NAME_WIDTH = { least: 8, most: 16 };

const deliveryStyle: Record<Delivery, keyof Paint> = {
  live: "good",
  retained: "accent",
  queued: "notice",
  redelivered: "notice",
};
const stateStyle: Record<MachineState, keyof Paint> = { online: "good", offline: "bad", stopped: "notice" };

/** What a status says of how it came; that the broker sent it as a will can't be seen here, and is not claimed. */
const came: Record<Delivery, string> = {
  live: "",
  retained: ", retained",
  queued: ", queued",
  redelivered: ", redelivered",
};

/** What a person sees of sub-lwt. */
export function subText(settings: SubSettings, paints: Paints): Renderer<ClientEvent> {
  const { out: paint, err } = paints;
  let introduced = false;
  let nameWidth = NAME_WIDTH.least;
  /** A status shows as one line, not as a message and a status. */
  const statusPayloads = new Set(["Sensor Online", "Sensor Offline", "Sensor Stopped"]);

  const row = (time: string, label: string, style: keyof Paint, name: string, text: string): string => {
    const shown = cut(escapeText(name), NAME_WIDTH.most);
    nameWidth = Math.max(nameWidth, shown.length);
    const left = `${clock(time)}  `;
    const rest = `  ${shown.padEnd(nameWidth)}  ${text}`;
    return `${left}${paint[style](label.padEnd(LABEL_WIDTH))}${cut(rest, WIDTH - left.length - LABEL_WIDTH)}`;
  };

  return renderBy(
    {
      connected: event => {
        if (introduced) return { err: err.good(`${clock(event.time)}  connected again`) };
        introduced = true;
        const filters = cut(`  filters    ${settings.filters.map(escapeText).join("  ")}`, WIDTH - 8);
        const lines = [
          heading(event, "←", err),
          `  session    ${sessionText(event)}`,
          edges(filters, `QoS ${settings.qos}`),
        ];
        return { err: `${lines.join("\n")}\n` };
      },
      message: ({ time, topic, payload, payloadBase64, delivery, machine, seq }) => {
        if (payload !== null && statusPayloads.has(payload) && isStatusTopic(topic)) return undefined;
        const number = seq === null ? "" : `${String(seq).padStart(3)}  `;
        const text = `${number}${payloadText(payload, payloadBase64, WIDTH)}`;
        return { out: row(time, delivery.toUpperCase(), deliveryStyle[delivery], machine ?? topic, text) };
      },
      status: ({ time, machine, state, topic, payload, delivery }) => {
        const text = `"${payload}"${came[delivery]}`;
        return { out: row(time, state.toUpperCase(), stateStyle[state], machine ?? topic, text) };
      },
      summary: ({ machines }) => ({
        err: (machines as ReceivedSummary[]).map(receivedText).join("\n") || "nothing received",
      }),
    },
    sharedText("sub-lwt", paints),
  );

  function isStatusTopic(topic: string): boolean {
    const namespace = settings.connection.namespace ?? "";
    return topic === "sensors/lastwill" || (topic.startsWith(`${namespace}/`) && topic.endsWith("/Status"));
  }
}

function receivedText(summary: ReceivedSummary): string {
  const { machine, received, missing, duplicate, outOfOrder } = summary;
  const ways = (["live", "queued", "retained", "redelivered"] as const)
    .filter(way => summary[way] > 0)
    .map(way => `${summary[way]} ${way}`);
  const order = outOfOrder > 0 ? `, ${outOfOrder} out of order` : "";
  const sequence = `${missing || "none"} missing, ${duplicate || "none"} doubled${order}`;
  return cut(
    `${escapeText(machine ?? "other topics")}  ${received} received: ${ways.join(", ")}; ${sequence}`,
    WIDTH,
  );
}
