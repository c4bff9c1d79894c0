import type { LessonEvent, ProcessEvent, Timed } from "../../events/events.js";
import { columnsOf, cut, fold, wrap } from "../text-layout.js";
import { escapeText } from "../escape.js";
import { plain, type Style } from "./diagram-grid.js";
import { BUNDLED, brokerOf, DiagramRows } from "./diagram-rows.js";
import type { Theme } from "../theme.js";
import type { LiveLine, Rendered, Renderer } from "../renderer.js";
import type { Screen } from "../screen.js";
import { formatDiagnostic } from "../diagnostic-text.js";
import { skippedText } from "../skip-text.js";

type Trouble = Extract<LessonEvent | ProcessEvent, { event: "error" | "warning" }>;
/** What the engine itself tells, beside the processes' events. */
type Told = Exclude<Timed<LessonEvent>, { event: Trouble["event"] | "waiting" | "link" }>;
type ToldAs<Name extends Told["event"]> = Extract<Told, { event: Name }>;

/** Columns before a claim: its verdict. */
const VERDICT = 10;
const MARGIN = " ".repeat(VERDICT);
/** Columns for the name of a process, at the most, where it stands before a text. */
const LONGEST_NAME = 16;
/** Of a claim that is optional. */
const OPEN = "MQTT leaves that open.";
/** Columns for what it cites, at the most. */
const LONGEST_CLAUSE = 20;

/**
 * A lesson's story: what it says, and between that a ladder of what its processes did, row by row as they tell it.
 * Claims are judged under the ladder of their step. Keeps the state of one lesson.
 */
export function sequenceDiagram(screen: Screen): Renderer<LessonEvent | ProcessEvent> {
  const story = new Story(screen);
  /** Since the last step began. */
  let shown: string[] = [];
  return event => {
    if (event.event === "error" || event.event === "warning") return troubleText(event, screen);
    if (event.event === "waiting")
      return { live: promptFor(event.for), ...(event.again && { out: shown.join("\n") }) };
    const lines = "process" in event ? story.watch(event) : story.tell(event.event, event);
    shown = event.event === "step" ? lines : [...shown, ...lines];
    return lines.length > 0 ? { out: lines.join("\n") } : undefined;
  };
}

/** What may be pressed, on the last line. */
const promptFor = (what: "step" | "prediction" | null): LiveLine | null =>
  what && { until: 0, text: () => PROMPTS[what] };

const PROMPTS = {
  step: "Space goes on; b shows the last step again, q leaves",
  prediction: "Press the number of what you expect; Space goes on without, q leaves",
};

function troubleText(event: Timed<Trouble>, screen: Screen): Rendered {
  const name = "process" in event ? cut(escapeText(event.process), LONGEST_NAME) : "lwt-demo";
  const style = event.event === "error" ? "bad" : "notice";
  return { err: formatDiagnostic(name, style, event.message, event.hint, screen) };
}

class Story {
  readonly #paint: Theme;
  /** As wide as the window is now: what is drawn has to stay in its columns. */
  readonly #width: number;
  #ladder: DiagramRows | null = null;
  /** The names have to be read again after a text. */
  #headerDue = true;
  /** The claims of this step, to be shown after its ladder. */
  #verdicts: string[] = [];

  constructor({ out, width }: Screen) {
    this.#paint = out;
    this.#width = width;
  }

  watch(event: ProcessEvent): string[] {
    const rows = this.#ladder?.rows(event) ?? [];
    if (rows.length === 0 || !this.#headerDue) return rows;
    this.#headerDue = false;
    return ["", this.#ladder?.header(this.#paint.bold) ?? "", ...rows];
  }

  tell<Name extends Told["event"]>(name: Name, event: ToldAs<Name>): string[] {
    const tellings: { [Each in Told["event"]]: (event: ToldAs<Each>) => string[] } = {
      lesson: lesson => this.#begin(lesson),
      step: ({ number, say }) => [...this.#judge(), "", ...this.#say(number, say)],
      process: ({ name: who, command }) =>
        this.#wrapped(`${cut(escapeText(who), LONGEST_NAME)} $ `, command, plain),
      observed: () => [],
      expected: claim => this.#claim(claim),
      prediction: ({ question, choices }) => this.#ask(question, choices),
      revealed: told => this.#reveal(told),
      result: result => [...this.#judge(), "", this.#conclude(result)],
    };
    return tellings[name](event);
  }

  #begin({ title, claims, participants }: ToldAs<"lesson">): string[] {
    const { bold, dim, good, bad, notice } = this.#paint;
    this.#ladder = new DiagramRows(participants, this.#width, {
      plain,
      quiet: dim,
      good,
      bad,
      notice,
    });
    const suffix = claims.length > 0 ? ` (${claims.join(", ")})` : "";
    const broker = brokerOf(participants);
    const where = broker && broker.command !== BUNDLED ? ` on ${broker.command}` : "";
    return this.#wrapped("", title + suffix + where, bold);
  }

  #ask(question: string, choices: string[]): string[] {
    this.#headerDue = true;
    const numbered = choices.flatMap((choice, i) => this.#wrapped(`${MARGIN}${i + 1}  `, choice, plain));
    return [...this.#judge(), "", ...this.#wrapped("  ?       ", question, this.#paint.bold), ...numbered];
  }

  /** After the claims of its step, which show that it is so. */
  #reveal({ answer, choice, because, predicted }: ToldAs<"revealed">): string[] {
    const { good, bad, notice } = this.#paint;
    const verdict = predicted === answer ? good("  right   ") : bad("  wrong   ");
    const told = [
      ...(predicted === null ? [] : this.#wrapped(verdict, `you said ${predicted}`, plain)),
      ...this.#wrapped(notice("  answer  "), `${answer}  ${choice}`, notice),
      ...this.#wrapped(MARGIN, because, plain),
    ];
    return [...this.#judge(), "", ...told];
  }

  #say(number: number, say: string): string[] {
    this.#headerDue = true;
    return this.#wrapped(`${number}. `, say, this.#paint.bold);
  }

  /** Kept until the step is over: a verdict in the middle of a ladder would tear it. */
  #claim({
    what,
    held,
    clause,
    instead,
    deviation,
    mandatory,
    reason,
    seconds,
  }: ToldAs<"expected">): string[] {
    const measured = seconds === null ? what : `${what} (${seconds.toFixed(1)} s)`;
    const cited = clause === null ? "" : cut(escapeText(clause), LONGEST_CLAUSE);
    const [first = "", ...rest] = this.#lines(measured, this.#width - VERDICT - columnsOf(cited) - 1);
    const gap = " ".repeat(Math.max(0, this.#width - VERDICT - columnsOf(first) - columnsOf(cited)));
    const { good, bad, notice } = this.#paint;
    const verdict = held ? good("  held    ") : deviation ? notice("  differs ") : bad("  FAILED  ");
    const why = reason ?? (deviation && !mandatory ? OPEN : null);
    const more = [instead, why].filter(text => text !== null);
    const came = more.flatMap(text => this.#lines(text, this.#width - VERDICT));
    const below = [...rest, ...came.map(deviation ? notice : bad)].map(line => MARGIN + line);
    this.#verdicts.push((verdict + first + gap + this.#paint.dim(cited)).trimEnd(), ...below);
    return [];
  }

  #judge(): string[] {
    const verdicts = this.#verdicts;
    this.#verdicts = [];
    return verdicts.length > 0 ? ["", ...verdicts] : [];
  }

  #conclude({
    lesson,
    passed,
    held,
    failed,
    skipped,
    deviations,
    notObserved,
    next,
    predictions,
    correctPredictions,
  }: ToldAs<"result">): string {
    const { good, bad, notice } = this.#paint;
    const name = escapeText(lesson);
    const claims = `${held} ${held === 1 ? "claim" : "claims"} held`;
    const inLines = (text: string) => fold(text, this.#width);
    const early = skipped === "interrupted" ? " before its end" : "";
    if (skipped !== null) return notice(inLines(`${name}: ${skippedText(skipped)}${early}; ${claims}`));
    const more = [
      deviations > 0 ? `, ${deviations} ${deviations === 1 ? "differs" : "differ"} here` : "",
      notObserved > 0 ? `, ${notObserved} not observed here` : "",
    ].join("");
    const score =
      predictions > 0 ? inLines(`Predictions: ${correctPredictions} of ${predictions} right`) : "";
    const onward = next === null ? "" : `\n${fold(`Next: npx lwt-demo ${escapeText(next)}`, this.#width)}`;
    const verdict = passed
      ? good(inLines(`${name} passed: ${claims}${more}`))
      : bad(inLines(`${name} FAILED: ${claims}, ${failed} did not`));
    return verdict + (score && `\n${score}`) + onward;
  }

  /** Text with a mark before its first line, and the other lines under the first's text. */
  #wrapped(mark: string, text: string, style: Style): string[] {
    const width = this.#width - columnsOf(mark);
    return this.#lines(text, width).map(
      (line, i) => (i === 0 ? mark : " ".repeat(columnsOf(mark))) + style(line),
    );
  }

  #lines(text: string, width: number): string[] {
    return wrap(escapeText(text), width, "")
      .split("\n")
      .map(line => cut(line, width));
  }
}
