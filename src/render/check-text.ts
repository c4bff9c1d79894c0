import type { CheckEvent, Deviation, Product, Timed } from "../events/events.js";
import { cut, fold, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Theme } from "./theme.js";
import type { LiveLine, Rendered, Renderer } from "./renderer.js";
import type { Screen } from "./screen.js";
import { formatDiagnostic } from "./diagnostic-text.js";
import { skipReasonText } from "./skip-text.js";

type ToldAs<Name extends CheckEvent["event"]> = Extract<CheckEvent, { event: Name }>;
type Checked = ToldAs<"checked">;
export type Verdict = ToldAs<"check">;

/** Columns of the table: lesson, claims, outcome; what is left is for clauses and reasons. */
const [LESSON, CLAIMS, OUTCOME] = [22, 10, 10];
const INDENT = " ".repeat(4);
/** Columns before an address: whether it can be reached, and in what time. */
const [VERDICT, TIME] = [14, 10];

/** The check's table when it is over; until then its progress on stderr. Keeps the state of one check. */
export function checkText(screen: Screen): Renderer<CheckEvent> {
  const checked: Checked[] = [];
  const running = new Set<string>();
  let all: string[] = [];
  const progress = (): LiveLine => ({
    until: 0,
    text: () => `${checked.length} of ${all.length} lessons; running: ${[...running].join(", ")}`,
  });
  const tellings: { [Name in CheckEvent["event"]]: (event: ToldAs<Name>) => Rendered | undefined } = {
    checking: event => {
      all = event.lessons;
      return { err: screen.err.bold(cut(headline(event), screen.width)), live: progress() };
    },
    lesson: ({ name }) => {
      running.add(escapeText(name));
      return { live: progress() };
    },
    checked: event => {
      checked.push(event);
      running.delete(escapeText(event.lesson));
      return progressed(event, checked.length, all.length, screen, progress());
    },
    check: event => ({
      out: [...table(inOrder(checked, all), screen), "", ...verdictLines(event, screen)].join("\n"),
      live: null,
    }),
    reachable: event => ({ out: wayLine(event, screen) }),
    connectivity: event => ({ out: `\n${connectivityLine(event, screen)}` }),
    warning: event => ({ err: formatDiagnostic("lwt-demo", "notice", event.message, event.hint, screen) }),
    error: event => ({ err: formatDiagnostic("lwt-demo", "bad", event.message, event.hint, screen) }),
  };
  return (event: Timed<CheckEvent>) => {
    const tell = tellings[event.event] as (event: CheckEvent) => Rendered | undefined;
    return tell(event);
  };
}

/** In teaching order; they end in another. */
export const inOrder = (checked: Checked[], lessons: string[]): Checked[] =>
  checked.toSorted((a, b) => lessons.indexOf(a.lesson) - lessons.indexOf(b.lesson));

const nameOf = (product: Product) => escapeText(`${product.name} ${product.version}`);

/** What was checked, as well as one knows. */
export const whoText = ({ broker, product }: Pick<Verdict, "broker" | "product">): string => {
  if (!product) return escapeText(broker);
  return broker === "lwt-broker --data" ? `${nameOf(product)} --data` : nameOf(product);
};

function headline({ broker, product, lessons, knownDeviations }: ToldAs<"checking">): string {
  const what = product ? `${whoText({ broker, product })}, ` : "";
  const where = broker.startsWith("lwt-broker") ? "a bundled broker each" : `on ${escapeText(broker)}`;
  const known = knownDeviations > 0 ? `; known of it: ${plural(knownDeviations, "deviation")}` : "";
  return `${lessons.length} lessons, ${what}${where}${known}`;
}

/** Where no line can be rewritten, one for each lesson; with --quiet nobody has said how many there are, and none is told. */
function progressed(
  { lesson, outcome, seconds }: Checked,
  number: number,
  of: number,
  { err, terminal, errTerminal, width }: Screen,
  live: LiveLine,
): Rendered {
  if (of === 0) return {};
  if (terminal && errTerminal) return { live };
  const line = `${number} of ${of}  ${pad(escapeText(lesson), LESSON)}${outcome}, ${seconds} s`;
  return { err: err.dim(cut(line, width)), live };
}

function table(checked: Checked[], { out, width }: Screen): string[] {
  const head =
    pad("lesson", LESSON) + pad("claims", CLAIMS) + pad("result", OUTCOME) + "clauses that held, or why not";
  return [out.bold(cut(head, width)), ...checked.flatMap(each => rows(each, out, width))];
}

function rows(checked: Checked, paint: Theme, width: number): string[] {
  const { lesson, claims, outcome, deviations } = checked;
  const styles = { held: paint.good, deviates: paint.bad, skipped: paint.notice };
  const style =
    outcome === "deviates" && deviations.every(({ mandatory }) => !mandatory)
      ? paint.notice
      : styles[outcome];
  const left =
    pad(cut(escapeText(lesson), LESSON - 1), LESSON) +
    pad(cut(escapeText(claims.join(" ")), CLAIMS - 1), CLAIMS);
  const room = width - LESSON - CLAIMS - OUTCOME;
  const [first = "", ...rest] = fold(remark(checked), room, "").split("\n");
  const below = rest.map(line => " ".repeat(width - room) + line);
  return [
    (left + style(pad(outcome, OUTCOME)) + first).trimEnd(),
    ...below,
    ...deviations.flatMap(deviation => deviationLines(deviation, style, width)),
  ];
}

/** What is to be said of a lesson as a whole. */
export function remark({ clauses, skipped, notObserved }: Checked): string {
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
    fold(escapeText(text), room, INDENT)
      .split("\n")
      .map(line => INDENT + line);
  const cited = mandatory ? (clause === null ? "" : `${clause} `) : "(MQTT leaves this open) ";
  return [
    ...lines(cited + what).map(style),
    ...(instead === null ? [] : lines(`instead: ${instead}`)),
    ...(reason === null ? [] : lines(`known: ${reason}`)),
  ];
}

function verdictLines(verdict: Verdict, { out, width }: Screen): string[] {
  const style = verdict.passed ? out.good : out.bad;
  const kept = verdict.unexpectedlyHeld.flatMap(({ lesson, what }) =>
    fold(escapeText(`${lesson}: ${what}: held, though known not to`), width)
      .split("\n")
      .map(line => out.notice(line)),
  );
  return [...kept, style(fold(verdictText(verdict), width))];
}

/** In one line. */
export function verdictText(verdict: Verdict): string {
  const { held, deviates, skipped, broken, knownBroken, interrupted } = verdict;
  const counts = `${held} held, ${deviates} ${deviates === 1 ? "deviates" : "deviate"}, ${skipped} skipped`;
  const known = knownBroken === 0 ? "" : knownBroken === broken ? ", known" : `, ${knownBroken} known`;
  const end = interrupted
    ? "left before the end"
    : broken === 0
      ? "nothing mandatory broken"
      : `${plural(broken, "promise")} broken${known}`;
  return `${cut(whoText(verdict), 24)}: ${counts}; ${end}`;
}

function wayLine({ broker, reachable, milliseconds, reason }: ToldAs<"reachable">, screen: Screen): string {
  const { out, width } = screen;
  const style = reachable ? out.good : out.bad;
  const verdict = style(pad(reachable ? "gets through" : "fails", VERDICT));
  const time = milliseconds === null ? "" : cut(`${milliseconds} ms`, TIME - 1);
  const line = verdict + pad(time, TIME) + cut(escapeText(broker), width - VERDICT - TIME);
  if (reason === null) return line;
  const why = `${reachable ? "the broker refuses: " : ""}${escapeText(reason)}`;
  const below = fold(why, width - INDENT.length, "").split("\n");
  return [line, ...below.map(each => INDENT + each)].join("\n");
}

function connectivityLine({ host, options }: ToldAs<"connectivity">, { out, width }: Screen): string {
  const where = escapeText(host);
  return options === null
    ? out.bad(fold(`No way leads to ${where} from here. Is this computer online?`, width))
    : fold(`Use: npx sub-lwt ${escapeText(options)}, and the same with pub-lwt.`, width);
}

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
