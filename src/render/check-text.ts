import type { CheckEvent, Deviation, EventOf, Product, Timed } from "../events/events.js";
import { claimLine } from "./claim-text.js";
import { truncate, wrapHard, pad, plural } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Theme } from "./theme.js";
import type { LiveLine, Rendered, Renderer } from "./renderer.js";
import type { Screen } from "./screen.js";
import { formatDiagnostic } from "./diagnostic-text.js";
import { skipReasonText } from "./skip-text.js";

type Checked = EventOf<CheckEvent, "checked">;
export type CheckResult = EventOf<CheckEvent, "check">;

/** Columns of the table; the rest is for clauses and reasons. */
const [LESSON_WIDTH, CLAIMS_WIDTH, OUTCOME_WIDTH] = [22, 10, 10];
const INDENT = " ".repeat(4);
/** Columns before an address. */
const [REACHABLE_WIDTH, TIME_WIDTH] = [14, 10];

/** Renders the progress of one check on stderr, and its table at the end. */
export function checkText(screen: Screen): Renderer<CheckEvent> {
  const checked: Checked[] = [];
  const running = new Set<string>();
  const claims: string[] = [];
  let all: string[] = [];
  const progress = (): LiveLine => ({
    until: 0,
    text: () => `${checked.length} of ${all.length} lessons; running: ${[...running].join(", ")}`,
  });
  const renderers: {
    [Name in CheckEvent["event"]]: (event: EventOf<CheckEvent, Name>) => Rendered | undefined;
  } = {
    checking: event => {
      all = event.lessons;
      return { err: screen.err.bold(truncate(headline(event), screen.width)), live: progress() };
    },
    lesson: ({ name }) => {
      running.add(escapeText(name));
      return { live: progress() };
    },
    claim: event => {
      claims.push(claimLine(event, screen.width));
      return undefined;
    },
    checked: event => {
      checked.push(event);
      running.delete(escapeText(event.lesson));
      return progressText(event, checked.length, all.length, screen, progress());
    },
    check: event => ({
      out: [
        ...table(inTeachingOrder(checked, all), screen),
        ...(claims.length > 0 ? ["", ...claims] : []),
        "",
        ...verdictLines(event, screen),
      ].join("\n"),
      live: null,
    }),
    reachable: event => ({ out: reachableText(event, screen) }),
    connectivity: event => ({ out: `\n${connectivityText(event, screen)}` }),
    warning: event => ({ err: formatDiagnostic("lwt-demo", "notice", event.message, event.hint, screen) }),
    error: event => ({ err: formatDiagnostic("lwt-demo", "bad", event.message, event.hint, screen) }),
  };
  return (event: Timed<CheckEvent>) => {
    const render = renderers[event.event] as (event: CheckEvent) => Rendered | undefined;
    return render(event);
  };
}

/** Lessons end in another order. */
export const inTeachingOrder = (checked: Checked[], lessons: string[]): Checked[] =>
  checked.toSorted((a, b) => lessons.indexOf(a.lesson) - lessons.indexOf(b.lesson));

const nameOf = (product: Product) => escapeText(`${product.name} ${product.version}`);

/** The product, or the URL of an unknown one. */
export const subjectText = ({ broker, product }: Pick<CheckResult, "broker" | "product">): string => {
  if (!product) return escapeText(broker);
  return broker === "lwt-broker --data" ? `${nameOf(product)} --data` : nameOf(product);
};

function headline({ broker, product, lessons, knownDeviations }: EventOf<CheckEvent, "checking">): string {
  const what = product ? `${subjectText({ broker, product })}, ` : "";
  const where = broker.startsWith("lwt-broker") ? "a bundled broker each" : `on ${escapeText(broker)}`;
  const known = knownDeviations > 0 ? `; known of it: ${plural(knownDeviations, "deviation")}` : "";
  return `${lessons.length} lessons, ${what}${where}${known}`;
}

/** A line for each lesson if no line can be rewritten; none with --quiet, which drops `checking` and so the count. */
function progressText(
  { lesson, outcome, seconds }: Checked,
  number: number,
  of: number,
  { err, isTerminal, isErrTerminal, width }: Screen,
  live: LiveLine,
): Rendered {
  if (of === 0) return {};
  if (isTerminal && isErrTerminal) return { live };
  const line = `${number} of ${of}  ${pad(escapeText(lesson), LESSON_WIDTH)}${outcome}, ${seconds} s`;
  return { err: err.dim(truncate(line, width)), live };
}

function table(checked: Checked[], { out, width }: Screen): string[] {
  const head =
    pad("lesson", LESSON_WIDTH) +
    pad("claims", CLAIMS_WIDTH) +
    pad("result", OUTCOME_WIDTH) +
    "clauses that held, or why not";
  return [out.bold(truncate(head, width)), ...checked.flatMap(each => rows(each, out, width))];
}

function rows(checked: Checked, paint: Theme, width: number): string[] {
  const { lesson, claims, outcome, deviations } = checked;
  const styles = { held: paint.good, deviates: paint.bad, skipped: paint.notice };
  const style =
    outcome === "deviates" && deviations.every(({ mandatory }) => !mandatory)
      ? paint.notice
      : styles[outcome];
  const left =
    pad(truncate(escapeText(lesson), LESSON_WIDTH - 1), LESSON_WIDTH) +
    pad(truncate(escapeText(claims.join(" ")), CLAIMS_WIDTH - 1), CLAIMS_WIDTH);
  const room = width - LESSON_WIDTH - CLAIMS_WIDTH - OUTCOME_WIDTH;
  const [first = "", ...rest] = wrapHard(remarksText(checked), room, "").split("\n");
  const below = rest.map(line => " ".repeat(width - room) + line);
  return [
    (left + style(pad(outcome, OUTCOME_WIDTH)) + first).trimEnd(),
    ...below,
    ...deviations.flatMap(deviation => deviationLines(deviation, style, width)),
  ];
}

/** The last column of the table: why it was skipped, and the clauses that held. */
export function remarksText({ clauses, skipped, notObserved }: Checked): string {
  const held = clauses.map(clause => escapeText(clause.replaceAll(/[[\]]|MQTT-/g, ""))).join(" ");
  const missing = notObserved > 0 ? `(${plural(notObserved, "claim")} not observed)` : "";
  return [skipped === null ? "" : skipReasonText(skipped), held, missing]
    .filter(text => text !== "")
    .join(" ");
}

function deviationLines(deviation: Deviation, style: (text: string) => string, width: number): string[] {
  const { what, clause, instead, reason, mandatory } = deviation;
  const room = width - INDENT.length;
  const lines = (text: string) =>
    wrapHard(escapeText(text), room, INDENT)
      .split("\n")
      .map(line => INDENT + line);
  const cited = mandatory ? (clause === null ? "" : `${clause} `) : "(MQTT leaves this open) ";
  return [
    ...lines(cited + what).map(style),
    ...(instead === null ? [] : lines(`instead: ${instead}`)),
    ...(reason === null ? [] : lines(`known: ${reason}`)),
  ];
}

function verdictLines(verdict: CheckResult, { out, width }: Screen): string[] {
  const style = verdict.passed ? out.good : out.bad;
  const surprises = verdict.unexpectedlyHeld.flatMap(({ lesson, what }) =>
    wrapHard(escapeText(`${lesson}: ${what}: held, although a deviation is known`), width)
      .split("\n")
      .map(line => out.notice(line)),
  );
  return [...surprises, style(wrapHard(verdictText(verdict), width))];
}

export function verdictText(verdict: CheckResult): string {
  const { held, deviates, skipped, broken, knownBroken, interrupted } = verdict;
  const counts = `${held} held, ${deviates} ${deviates === 1 ? "deviates" : "deviate"}, ${skipped} skipped`;
  const known = knownBroken === 0 ? "" : knownBroken === broken ? ", known" : `, ${knownBroken} known`;
  const end = interrupted
    ? "stopped before the end"
    : broken === 0
      ? "nothing mandatory broken"
      : `${plural(broken, "promise")} broken${known}`;
  return `${truncate(subjectText(verdict), 24)}: ${counts}; ${end}`;
}

function reachableText(
  { broker, reachable, milliseconds, reason }: EventOf<CheckEvent, "reachable">,
  screen: Screen,
): string {
  const { out, width } = screen;
  const style = reachable ? out.good : out.bad;
  const verdict = style(pad(reachable ? "reachable" : "fails", REACHABLE_WIDTH));
  const time = milliseconds === null ? "" : truncate(`${milliseconds} ms`, TIME_WIDTH - 1);
  const line =
    verdict + pad(time, TIME_WIDTH) + truncate(escapeText(broker), width - REACHABLE_WIDTH - TIME_WIDTH);
  if (reason === null) return line;
  const why = `${reachable ? "the broker refuses: " : ""}${escapeText(reason)}`;
  const below = wrapHard(why, width - INDENT.length, "").split("\n");
  return [line, ...below.map(each => INDENT + each)].join("\n");
}

function connectivityText(
  { host, options }: EventOf<CheckEvent, "connectivity">,
  { out, width }: Screen,
): string {
  const where = escapeText(host);
  return options === null
    ? out.bad(wrapHard(`Cannot reach ${where} from here. Check that this computer is online.`, width))
    : wrapHard(`Use: npx sub-lwt ${escapeText(options)}, and the same with pub-lwt.`, width);
}
