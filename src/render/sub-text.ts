import type { ClientEvent, Delivery, MachineState, ReceivedSummary } from "../events/events.js";
import type { SubSettings } from "../config/settings/sub-settings.js";
import {
  reconnectText,
  forgottenText,
  heading,
  limitsText,
  renderBy,
  sessionText,
  sharedText,
} from "./client-text.js";
import { localTime, displayWidth, truncate, pad, justifyTruncated, wrapHard } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Theme } from "./theme.js";
import { payloadText } from "./payload-text.js";
import type { Renderer } from "./renderer.js";
import { errWrapWidth, type Screen } from "./screen.js";

/** "HH:MM:SS" and the gap after it. */
const TIME_WIDTH = 10;
const LABEL_WIDTH = "REDELIVERED".length;
const NAME_WIDTH = { min: 8, max: 16 };

const deliveryStyle: Record<Delivery, keyof Theme> = {
  live: "good",
  retained: "accent",
  queued: "notice",
  redelivered: "notice",
};
const stateStyle: Record<MachineState, keyof Theme> = { online: "good", offline: "bad", stopped: "notice" };

/** Of a status. No client can see whether the broker published a status as a will. */
const deliverySuffix: Record<Delivery, string> = {
  live: "",
  retained: ", retained",
  queued: ", queued",
  redelivered: ", redelivered",
};

/** Renders sub-lwt. */
export function subText(settings: SubSettings, screen: Screen): Renderer<ClientEvent> {
  const { out: paint, err } = screen;
  let lastBroker: string | null = null;
  let nameWidth = NAME_WIDTH.min;

  const line = (
    time: string,
    label: string,
    style: keyof Theme,
    name: string,
    text: (room: number) => string,
  ): string => {
    const shown = truncate(escapeText(name), NAME_WIDTH.max);
    nameWidth = Math.max(nameWidth, displayWidth(shown));
    const room = screen.width - TIME_WIDTH - LABEL_WIDTH - nameWidth - 4;
    const left = `${paint.dim(localTime(time))}  ${paint[style](label.padEnd(LABEL_WIDTH))}`;
    return `${left}  ${pad(shown, nameWidth)}  ${text(room)}`;
  };

  return renderBy(
    {
      connected: event => {
        if (settings.mode === "forget") return { live: null };
        const before = lastBroker;
        lastBroker = event.broker;
        if (before !== null) return { err: err.good(reconnectText(event, before, screen)), live: null };
        const filters = `  filters    ${settings.filters.map(escapeText).join("  ")}`;
        const lines = [
          heading(event, "←", screen),
          sessionText(event, screen),
          ...limitsText(event, screen),
          justifyTruncated(filters, `QoS ${settings.qos}`, screen.width),
        ];
        return { err: `${lines.join("\n")}\n`, live: null };
      },
      message: ({ time, topic, payload, payloadBase64, delivery, machine, seq, parsed }) => {
        // The `status` event that follows shows it.
        if (parsed?.state) return undefined;
        const number = seq === null ? "" : `${String(seq).padStart(3)}  `;
        const text = (room: number) =>
          number + payloadText(payload, payloadBase64, Math.max(0, room - number.length), parsed?.fields);
        return { out: line(time, delivery.toUpperCase(), deliveryStyle[delivery], machine ?? topic, text) };
      },
      status: ({ time, machine, state, topic, payload, delivery }) => {
        const text = (room: number) => truncate(`"${escapeText(payload)}"${deliverySuffix[delivery]}`, room);
        return { out: line(time, state.toUpperCase(), stateStyle[state], machine ?? topic, text) };
      },
      forgotten: event => ({ out: forgottenText(event, settings.connection, screen) }),
      summary: ({ machines }) => ({
        err:
          (machines as ReceivedSummary[])
            .map(summary => receivedText(summary, errWrapWidth(screen)))
            .join("\n") || "nothing received",
      }),
    },
    sharedText("sub-lwt", screen),
  );
}

/** Renders sub-lwt --raw: the bytes of each payload, and diagnostics. */
export const rawText = (screen: Screen): Renderer<ClientEvent> =>
  renderBy(
    {
      message: ({ payload, payloadBase64 }) => ({
        bytes: payload === null ? Buffer.from(payloadBase64 ?? "", "base64") : Buffer.from(payload),
      }),
      summary: ({ machines }) => ({
        err: (machines as ReceivedSummary[])
          .map(summary => receivedText(summary, errWrapWidth(screen)))
          .join("\n"),
      }),
    },
    sharedText("sub-lwt", screen),
  );

function receivedText(summary: ReceivedSummary, width: number): string {
  const { machine, received, missing, duplicate, outOfOrder, notAcknowledged, runs, firstSeq } = summary;
  const ways = (["live", "queued", "retained", "redelivered"] as const)
    .filter(way => summary[way] > 0)
    .map(way => `${summary[way]} ${way}`);
  const order = outOfOrder > 0 ? `, ${outOfOrder} out of order` : "";
  // The messages before the first received one are unknown.
  const since =
    runs === 1 && outOfOrder === 0 && firstSeq !== null && firstSeq > 1 ? ` from ${firstSeq} on` : "";
  const sequence = `${missing || "none"} missing${since}, ${duplicate || "no"} ${duplicate === 1 ? "duplicate" : "duplicates"}${order}`;
  const name = escapeText(machine ?? "other topics");
  const held =
    notAcknowledged > 0
      ? `; ${notAcknowledged} not acknowledged: the broker sends them again on the next connection`
      : "";
  return wrapHard(`${name}  ${received} received: ${ways.join(", ")}; ${sequence}${held}`, width);
}
