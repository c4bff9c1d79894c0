import type { LessonEvent, ProcessEvent, Timed } from "../../events/events.js";
import { displayWidth, truncate, wrapHard, wrap } from "../text-layout.js";
import { escapeText } from "../escape.js";
import { unstyled, type Style } from "./diagram-grid.js";
import { BUNDLED_BROKER, brokerOf, DiagramRows } from "./diagram-rows.js";
import type { Theme } from "../theme.js";
import type { LiveLine, Rendered, Renderer } from "../renderer.js";
import type { Screen } from "../screen.js";
import { formatDiagnostic } from "../diagnostic-text.js";
import { skippedText } from "../skip-text.js";

type Diagnostic = Extract<LessonEvent | ProcessEvent, { event: "error" | "warning" }>;
/** Events of the lesson engine itself. */
type EngineEvent = Exclude<Timed<LessonEvent>, { event: Diagnostic["event"] | "waiting" | "link" }>;
type EngineEventOf<Name extends EngineEvent["event"]> = Extract<EngineEvent, { event: Name }>;

/** Columns before a claim. */
const VERDICT_WIDTH = 10;
const MARGIN = " ".repeat(VERDICT_WIDTH);
/** Columns for the name of a process before a text. */
const MAX_NAME_WIDTH = 16;
const OPTIONAL_CLAIM = "MQTT leaves this open.";
const MAX_CLAUSE_WIDTH = 20;

/**
 * Renders one lesson: its texts, and between them a sequence diagram of its processes, row by row.
 * The claims of a step follow its diagram.
 */
export function sequenceDiagram(screen: Screen): Renderer<LessonEvent | ProcessEvent> {
  const lesson = new LessonStory(screen);
  /** For the key that shows the last step again. */
  let shown: string[] = [];
  return event => {
    if (event.event === "error" || event.event === "warning") return diagnosticText(event, screen);
    if (event.event === "waiting")
      return { live: promptFor(event.for), ...(event.again && { out: shown.join("\n") }) };
    const lines = "process" in event ? lesson.processLines(event) : lesson.engineLines(event.event, event);
    shown = event.event === "step" ? lines : [...shown, ...lines];
    return lines.length > 0 ? { out: lines.join("\n") } : undefined;
  };
}

/** On the status line. */
const promptFor = (awaited: "step" | "prediction" | null): LiveLine | null =>
  awaited && { until: 0, text: () => PROMPTS[awaited] };

const PROMPTS = {
  step: "Space: next step; b: show the last step again; q: stop",
  prediction: "Press the number of your prediction; Space: no prediction; q: stop",
};

function diagnosticText(event: Timed<Diagnostic>, screen: Screen): Rendered {
  const name = "process" in event ? truncate(escapeText(event.process), MAX_NAME_WIDTH) : "lwt-demo";
  const style = event.event === "error" ? "bad" : "notice";
  return { err: formatDiagnostic(name, style, event.message, event.hint, screen) };
}

class LessonStory {
  readonly #paint: Theme;
  /** Of the window at the start: a diagram stays in its columns. */
  readonly #width: number;
  #diagram: DiagramRows | null = null;
  /** A text was shown since the last header. */
  #isHeaderDue = true;
  /** The claims of the current step, for after its diagram. */
  #verdicts: string[] = [];

  constructor({ out, width }: Screen) {
    this.#paint = out;
    this.#width = width;
  }

  processLines(event: ProcessEvent): string[] {
    const rows = this.#diagram?.rows(event) ?? [];
    if (rows.length === 0 || !this.#isHeaderDue) return rows;
    this.#isHeaderDue = false;
    return ["", this.#diagram?.header(this.#paint.bold) ?? "", ...rows];
  }

  engineLines<Name extends EngineEvent["event"]>(name: Name, event: EngineEventOf<Name>): string[] {
    const renderers: { [Each in EngineEvent["event"]]: (event: EngineEventOf<Each>) => string[] } = {
      lesson: lesson => this.#begin(lesson),
      claim: ({ claim, sentence }) => this.#wrapped("", `${claim}: ${sentence}`, this.#paint.dim),
      step: ({ number, say }) => [...this.#takeVerdicts(), "", ...this.#say(number, say)],
      process: ({ name: process, command }) =>
        this.#wrapped(`${truncate(escapeText(process), MAX_NAME_WIDTH)} $ `, command, unstyled),
      observed: () => [],
      expected: claim => this.#claim(claim),
      prediction: ({ question, choices }) => this.#ask(question, choices),
      revealed: answer => this.#reveal(answer),
      result: result => [...this.#takeVerdicts(), "", this.#conclude(result)],
    };
    return renderers[name](event);
  }

  #begin({ title, claims, participants }: EngineEventOf<"lesson">): string[] {
    const { bold, dim, good, bad, notice } = this.#paint;
    this.#diagram = new DiagramRows(participants, this.#width, {
      plain: unstyled,
      quiet: dim,
      good,
      bad,
      notice,
    });
    const suffix = claims.length > 0 ? ` (${claims.join(", ")})` : "";
    const broker = brokerOf(participants);
    const where = broker && broker.command !== BUNDLED_BROKER ? ` on ${broker.command}` : "";
    return this.#wrapped("", title + suffix + where, bold);
  }

  #ask(question: string, choices: string[]): string[] {
    this.#isHeaderDue = true;
    const numbered = choices.flatMap((choice, i) => this.#wrapped(`${MARGIN}${i + 1}  `, choice, unstyled));
    return [
      ...this.#takeVerdicts(),
      "",
      ...this.#wrapped("  ?       ", question, this.#paint.bold),
      ...numbered,
    ];
  }

  /** Follows the claims of the step, which prove the answer. */
  #reveal({ answer, choice, because, predicted }: EngineEventOf<"revealed">): string[] {
    const { good, bad, notice } = this.#paint;
    const verdict = predicted === answer ? good("  right   ") : bad("  wrong   ");
    const lines = [
      ...(predicted === null ? [] : this.#wrapped(verdict, `your prediction: ${predicted}`, unstyled)),
      ...this.#wrapped(notice("  answer  "), `${answer}  ${choice}`, notice),
      ...this.#wrapped(MARGIN, because, unstyled),
    ];
    return [...this.#takeVerdicts(), "", ...lines];
  }

  #say(number: number, say: string): string[] {
    this.#isHeaderDue = true;
    return this.#wrapped(`${number}. `, say, this.#paint.bold);
  }

  /** Queued until the step ends: a verdict would interrupt the diagram. */
  #claim({
    what,
    held,
    clause,
    instead,
    deviation,
    mandatory,
    reason,
    seconds,
  }: EngineEventOf<"expected">): string[] {
    const measured = seconds === null ? what : `${what} (${seconds.toFixed(1)} s)`;
    const cited = clause === null ? "" : truncate(escapeText(clause), MAX_CLAUSE_WIDTH);
    const [first = "", ...rest] = this.#lines(
      measured,
      this.#width - VERDICT_WIDTH - displayWidth(cited) - 1,
    );
    const gap = " ".repeat(
      Math.max(0, this.#width - VERDICT_WIDTH - displayWidth(first) - displayWidth(cited)),
    );
    const { good, bad, notice } = this.#paint;
    const verdict = held ? good("  held    ") : deviation ? notice("  differs ") : bad("  FAILED  ");
    const why = reason ?? (deviation && !mandatory ? OPTIONAL_CLAIM : null);
    const more = [instead, why].filter(text => text !== null);
    const detailLines = more.flatMap(text => this.#lines(text, this.#width - VERDICT_WIDTH));
    const below = [...rest, ...detailLines.map(deviation ? notice : bad)].map(line => MARGIN + line);
    this.#verdicts.push((verdict + first + gap + this.#paint.dim(cited)).trimEnd(), ...below);
    return [];
  }

  #takeVerdicts(): string[] {
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
  }: EngineEventOf<"result">): string {
    const { good, bad, notice } = this.#paint;
    const name = escapeText(lesson);
    const claims = `${held} ${held === 1 ? "claim" : "claims"} held`;
    const wrapped = (text: string) => wrapHard(text, this.#width);
    const early = skipped === "interrupted" ? " before its end" : "";
    if (skipped !== null) return notice(wrapped(`${name}: ${skippedText(skipped)}${early}; ${claims}`));
    const more = [
      deviations > 0 ? `, ${deviations} ${deviations === 1 ? "differs" : "differ"} here` : "",
      notObserved > 0 ? `, ${notObserved} not observed here` : "",
    ].join("");
    const score =
      predictions > 0 ? wrapped(`Predictions: ${correctPredictions} of ${predictions} right`) : "";
    const onward =
      next === null ? "" : `\n${wrapHard(`Next: npx lwt-demo ${escapeText(next)}`, this.#width)}`;
    const verdict = passed
      ? good(wrapped(`${name} passed: ${claims}${more}`))
      : bad(wrapped(`${name} FAILED: ${claims}, ${failed} did not`));
    return verdict + (score && `\n${score}`) + onward;
  }

  /** Puts `prefix` before the first line, and aligns the others with the text. */
  #wrapped(prefix: string, text: string, style: Style): string[] {
    const width = this.#width - displayWidth(prefix);
    return this.#lines(text, width).map(
      (line, i) => (i === 0 ? prefix : " ".repeat(displayWidth(prefix))) + style(line),
    );
  }

  #lines(text: string, width: number): string[] {
    return wrap(escapeText(text), width, "")
      .split("\n")
      .map(line => truncate(line, width));
  }
}
