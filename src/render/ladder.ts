import stringWidth from "string-width";
import type { LessonEvent, ProcessEvent, Timed } from "../events.js";
import { type Paints, trouble } from "./client-text.js";
import { WIDTH } from "./columns.js";
import { escapeText } from "./escape.js";
import { fit, wrap } from "./fit.js";
import { asciiPen, type Pen, type Style, unicodePen } from "./ladder-grid.js";
import { Ladder } from "./ladder-rows.js";
import type { Paint } from "./paint.js";
import type { Rendered, Renderer } from "./rendered.js";

export interface LadderSettings {
  paints: Paints;
  /** False: ASCII only. */
  unicode: boolean;
}

type Trouble = Extract<LessonEvent | ProcessEvent, { event: "error" | "warning" }>;
/** What the engine itself tells, beside the processes' events. */
type Told = Exclude<Timed<LessonEvent>, { event: Trouble["event"] }>;
type ToldAs<Name extends Told["event"]> = Extract<Told, { event: Name }>;

/** Columns before a claim: its verdict. */
const VERDICT = 10;
/** Columns for what it cites, at the most. */
const LONGEST_CLAUSE = 20;

/**
 * A lesson's story: what it says, and between that a ladder of what its processes did, row by row as they tell it.
 * Claims are judged under the ladder of their step. Keeps the state of one lesson.
 */
export function ladderText(settings: LadderSettings): Renderer<LessonEvent | ProcessEvent> {
  const story = new Story(settings);
  return event => {
    if (event.event === "error" || event.event === "warning") return troubleText(event, settings.paints.err);
    const lines = "process" in event ? story.watch(event) : story.tell(event.event, event);
    return lines.length > 0 ? { out: lines.join("\n") } : undefined;
  };
}

function troubleText(event: Timed<Trouble>, paint: Paint): Rendered {
  const name = "process" in event ? escapeText(event.process) : "lwt-demo";
  const style = event.event === "error" ? "bad" : "notice";
  return { err: trouble(name, style, event.message, event.hint, paint) };
}

class Story {
  readonly #paint: Paint;
  readonly #pen: Pen;
  #ladder: Ladder | null = null;
  /** The names have to be read again after a text. */
  #headerDue = true;
  /** The claims of this step, to be shown after its ladder. */
  #verdicts: string[] = [];

  constructor({ paints, unicode }: LadderSettings) {
    this.#paint = paints.out;
    this.#pen = unicode ? unicodePen : asciiPen;
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
      process: ({ name: who, command }) => this.#wrapped(`${who} $ `, command, this.#paint.dim),
      observed: () => [],
      expected: claim => this.#claim(claim),
      result: result => [...this.#judge(), "", this.#conclude(result)],
    };
    return tellings[name](event);
  }

  #begin({ title, claims, participants }: ToldAs<"lesson">): string[] {
    const { bold, dim, good, bad, notice } = this.#paint;
    this.#ladder = new Ladder(participants, this.#pen, {
      plain: text => text,
      quiet: dim,
      good,
      bad,
      notice,
    });
    const suffix = claims.length > 0 ? ` (${claims.join(", ")})` : "";
    return this.#wrapped("", title + suffix, bold);
  }

  #say(number: number, say: string): string[] {
    this.#headerDue = true;
    return this.#wrapped(`${number}. `, say, this.#paint.bold);
  }

  /** Kept until the step is over: a verdict in the middle of a ladder would tear it. */
  #claim({ what, held, clause, instead }: ToldAs<"expected">): string[] {
    const cited = clause === null ? "" : fit(escapeText(clause), LONGEST_CLAUSE, this.#pen.cut);
    const [first = "", ...rest] = this.#lines(what, WIDTH - VERDICT - stringWidth(cited) - 1);
    const gap = " ".repeat(Math.max(0, WIDTH - VERDICT - stringWidth(first) - stringWidth(cited)));
    const verdict = held ? this.#paint.good("  held    ") : this.#paint.bad("  FAILED  ");
    const came = instead === null ? [] : this.#lines(instead, WIDTH - VERDICT).map(this.#paint.bad);
    const below = [...rest, ...came].map(line => " ".repeat(VERDICT) + line);
    this.#verdicts.push((verdict + first + gap + this.#paint.dim(cited)).trimEnd(), ...below);
    return [];
  }

  #judge(): string[] {
    const verdicts = this.#verdicts;
    this.#verdicts = [];
    return verdicts.length > 0 ? ["", ...verdicts] : [];
  }

  #conclude({ lesson, passed, held, failed, skipped }: ToldAs<"result">): string {
    const { good, bad, notice } = this.#paint;
    const name = escapeText(lesson);
    const claims = `${held} ${held === 1 ? "claim" : "claims"} held`;
    if (skipped !== null) return notice(`${name}: ${escapeText(skipped)} before its end; ${claims}`);
    return passed ? good(`${name} passed: ${claims}`) : bad(`${name} FAILED: ${claims}, ${failed} did not`);
  }

  /** Text with a mark before its first line, and the other lines under the first's text. */
  #wrapped(mark: string, text: string, style: Style): string[] {
    const width = WIDTH - mark.length;
    return this.#lines(text, width).map(
      (line, i) => (i === 0 ? mark : " ".repeat(mark.length)) + style(line),
    );
  }

  #lines(text: string, width: number): string[] {
    return wrap(escapeText(text), width, this.#pen.cut);
  }
}
