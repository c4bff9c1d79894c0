import { urlsOf } from "../protocol/broker-url.js";
import type { ClientEvent, EventOf, SentSummary, Timed } from "../events/events.js";
import { machineName } from "../config/settings/fleet-settings.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { forgottenText, renderBy, sharedText } from "./client-text.js";
import { localTime, justify, wrapHard, TIME_INDENT } from "./text-layout.js";
import { escapeText } from "./escape.js";
import { FAILURE_TEXT } from "./pub-text.js";
import type { Rendered, Renderer } from "./renderer.js";
import { errWrapWidth, type Screen } from "./screen.js";

type Fleet = Timed<EventOf<ClientEvent, "fleet">>;

/** In between, a terminal shows each second on its status line. */
const SECONDS_PER_LINE = 10;

/** Renders pub-lwt --machines. */
export function fleetText(settings: PubSettings, screen: Screen): Renderer<ClientEvent> {
  const { out, err, width } = screen;
  const { warning, error } = sharedText("pub-lwt", screen);
  let isHeadingShown = false;
  let wereAllConnected = false;
  let seconds = 0;
  let last: Fleet | null = null;

  const heading = () => {
    const { connection, machines, firstMachine, machine, fail } = settings;
    const last = machineName(machine, firstMachine + machines - 1);
    const left = `${escapeText(machine)} to ${escapeText(last)} → ${escapeText(urlsOf(connection.broker))}`;
    const above = wrapHard(left, errWrapWidth(screen)).split("\n");
    const name = above.pop() ?? "";
    const titled = err.bold(name) + justify(name, "Ctrl-C stops gracefully", width).slice(name.length);
    const title = [...above.map(line => err.bold(line)), titled].join("\n");
    return fail && fail.after === null ? `${title}\n  to fail    press Enter: ${fail.cause}` : title;
  };

  return renderBy({
    fleet: event => {
      const line = fleetLine(event, settings);
      last = event;
      const areAllConnected = event.connected === event.machines;
      const isNews =
        (areAllConnected && !wereAllConnected) || seconds % SECONDS_PER_LINE === SECONDS_PER_LINE - 1;
      wereAllConnected = areAllConnected;
      seconds += 1;
      const permanent = isNews
        ? wrapHard(`${localTime(event.time)}  ${line}`, errWrapWidth(screen), TIME_INDENT)
        : null;
      const shown = [...(isHeadingShown ? [] : [heading()]), ...(permanent === null ? [] : [permanent])];
      isHeadingShown = true;
      return {
        ...(shown.length > 0 && { err: shown.join("\n") }),
        live: { until: Number.POSITIVE_INFINITY, text: () => `  ${line}` },
      };
    },
    failing: ({ time, cause }) => ({
      out: out.notice(
        wrapHard(`${localTime(time)}  all at once: ${FAILURE_TEXT[cause]}`, width, TIME_INDENT),
      ),
    }),
    "wills-witnessed": event => ({ out: willsText(event, screen), live: null }),
    forgotten: event => ({ out: forgottenText(event, settings.connection, screen) }),
    summary: ({ machines }) => summaryText(machines as SentSummary[], last, settings, screen),
    warning,
    error,
  });
}

function fleetLine(event: Fleet, settings: PubSettings): string {
  const { connected, machines, sent, acknowledged, failed, perSecond } = event;
  const gaveUp = failed > 0 ? `, ${failed} failed` : "";
  const counts = settings.qos === 0 ? `${sent} sent` : `${sent} sent, ${acknowledged} acknowledged`;
  return `${connected} of ${machines} connected, ${counts}${gaveUp}, ${perSecond}/s`;
}

type Witnessed = Timed<EventOf<ClientEvent, "wills-witnessed">>;

function willsText(
  { time, cause, machines, wills, p50, p99, last }: Witnessed,
  { out, width }: Screen,
): string {
  const isAsExpected = cause === "graceful" ? wills === 0 : wills === machines;
  const when =
    last === null ? "" : `: half within ${p50} ms, 99 of 100 within ${p99} ms, the last after ${last} ms`;
  const text =
    cause === "graceful" && wills === 0
      ? "no will was published"
      : `${wills} of ${machines} wills were published${when}`;
  return out[isAsExpected ? "good" : "bad"](wrapHard(`${localTime(time)}  ${text}`, width, TIME_INDENT));
}

function summaryText(
  machines: SentSummary[],
  last: Fleet | null,
  { qos }: PubSettings,
  screen: Screen,
): Rendered {
  const total = (field: "sent" | "acknowledged" | "notAcknowledged") =>
    machines.reduce((sum, machine) => sum + machine[field], 0);
  const open = total("notAcknowledged") > 0 ? `, ${total("notAcknowledged")} NOT acknowledged` : "";
  const reached =
    qos === 0 ? " at QoS 0, without acknowledgment" : `, ${total("acknowledged")} acknowledged${open}`;
  const when =
    last?.p50 == null ? "" : `; half of them within ${last.p50} ms, 99 of 100 within ${last.p99} ms`;
  const text = `${machines.length} machines: ${total("sent")} sent${reached}${when}`;
  return { err: wrapHard(text, errWrapWidth(screen)), live: null };
}
