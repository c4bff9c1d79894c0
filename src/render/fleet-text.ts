import { urlsOf } from "../protocol/broker-url.js";
import type { ClientEvent, SentSummary, Timed } from "../events/events.js";
import { machineName } from "../config/settings/fleet-settings.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { forgottenText, renderBy, sharedText } from "./client-text.js";
import { clock, edges, fold, HANGING } from "./text-layout.js";
import { escapeText } from "./escape.js";
import { failures } from "./pub-text.js";
import type { Rendered, Renderer } from "./renderer.js";
import { foldAt, type Screen } from "./screen.js";

type Fleet = Extract<Timed<ClientEvent>, { event: "fleet" }>;

/** Seconds between lines that stay; in between, a terminal shows each second on its last line. */
const KEPT_EVERY = 10;

/** What a person sees of pub-lwt --machines. */
export function fleetText(settings: PubSettings, screen: Screen): Renderer<ClientEvent> {
  const { out, err, width } = screen;
  const { warning, error } = sharedText("pub-lwt", screen);
  let introduced = false;
  let wereAllConnected = false;
  let looks = 0;
  let last: Fleet | null = null;

  const heading = () => {
    const { connection, machines, firstMachine, machine, fail } = settings;
    const last = machineName(machine, firstMachine + machines - 1);
    const left = `${escapeText(machine)} to ${escapeText(last)} → ${escapeText(urlsOf(connection.broker))}`;
    const above = fold(left, foldAt(screen)).split("\n");
    const name = above.pop() ?? "";
    const titled = err.bold(name) + edges(name, "Ctrl-C stops gracefully", width).slice(name.length);
    const title = [...above.map(line => err.bold(line)), titled].join("\n");
    return fail && fail.after === null ? `${title}\n  to fail    press Enter: ${fail.cause}` : title;
  };

  return renderBy({
    fleet: event => {
      const line = fleetLine(event, settings);
      last = event;
      const areAllConnected = event.connected === event.machines;
      const isNews = (areAllConnected && !wereAllConnected) || looks % KEPT_EVERY === KEPT_EVERY - 1;
      wereAllConnected = areAllConnected;
      looks += 1;
      const kept = isNews ? fold(`${clock(event.time)}  ${line}`, foldAt(screen), HANGING) : null;
      const shown = [...(introduced ? [] : [heading()]), ...(kept === null ? [] : [kept])];
      introduced = true;
      return {
        ...(shown.length > 0 && { err: shown.join("\n") }),
        live: { until: Number.POSITIVE_INFINITY, text: () => `  ${line}` },
      };
    },
    failing: ({ time, cause }) => ({
      out: out.notice(fold(`${clock(time)}  all at once: ${failures[cause]}`, width, HANGING)),
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
  const gaveUp = failed > 0 ? `, ${failed} gave up` : "";
  const counts = settings.qos === 0 ? `${sent} sent` : `${sent} sent, ${acknowledged} acknowledged`;
  return `${connected} of ${machines} connected, ${counts}${gaveUp}, ${perSecond}/s`;
}

type Witnessed = Extract<Timed<ClientEvent>, { event: "wills-witnessed" }>;

function willsText(
  { time, cause, machines, wills, p50, p99, last }: Witnessed,
  { out, width }: Screen,
): string {
  const asItShould = cause === "graceful" ? wills === 0 : wills === machines;
  const when =
    last === null ? "" : `: half within ${p50} ms, 99 of 100 within ${p99} ms, the last after ${last} ms`;
  const text =
    cause === "graceful" && wills === 0 ? "no will came" : `${wills} of ${machines} wills came${when}`;
  return out[asItShould ? "good" : "bad"](fold(`${clock(time)}  ${text}`, width, HANGING));
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
    qos === 0 ? " at QoS 0, which nobody acknowledges" : `, ${total("acknowledged")} acknowledged${open}`;
  const when =
    last?.p50 == null ? "" : `; half of them within ${last.p50} ms, 99 of 100 within ${last.p99} ms`;
  const text = `${machines.length} machines: ${total("sent")} sent${reached}${when}`;
  return { err: fold(text, foldAt(screen)), live: null };
}
