import type { LessonEvent, ProcessEvent, Timed } from "../events.js";
import { columnsOf, cut, fold, wrap } from "./columns.js";
import { escapeText } from "./escape.js";
import { plain, type Style } from "./ladder-grid.js";
import { Ladder } from "./ladder-rows.js";
import type { Paint } from "./paint.js";
import type { Rendered, Renderer } from "./rendered.js";
import type { Screen } from "./screen.js";
import { trouble } from "./trouble-text.js";

type Trouble = Extract<LessonEvent | ProcessEvent, { event: "error" | "warning" }>;
/** What the engine itself tells, beside the processes' events. */
type Told = Exclude<Timed<LessonEvent>, { event: Trouble["event"] }>;
type ToldAs<Name extends Told["event"]> = Extract<Told, { event: Name }>;

/** Columns before a claim: its verdict. */
const VERDICT = 10;
/** Columns for the name of a process, at the most, where it stands before a text. */
const LONGEST_NAME = 16;
/** Columns for what it cites, at the most. */
const LONGEST_CLAUSE = 20;

/**
 * A lesson's story: what it says, and between that a ladder of what its processes did, row by row as they tell it.
 * Claims are judged under the ladder of their step. Keeps the state of one lesson.
 */
export function ladderText(screen: Screen): Renderer<LessonEvent | ProcessEvent> {
  const story = new Story(screen);
  return event => {
    if (event.event === "error" || event.event === "warning") return troubleText(event, screen);
    const lines = "process" in event ? story.watch(event) : story.tell(event.event, event);
    return lines.length > 0 ? { out: lines.join("\n") } : undefined;
  };
}

function troubleText(event: Timed<Trouble>, screen: Screen): Rendered {
  const name = "process" in event ? cut(escapeText(event.process), LONGEST_NAME) : "lwt-demo";
  const style = event.event === "error" ? "bad" : "notice";
  return { err: trouble(name, style, event.message, event.hint, screen) };
}

class Story {
  readonly #paint: Paint;
  /** As wide as the window is now: what is drawn has to stay in its columns. */
  readonly #width: number;
  #ladder: Ladder | null = null;
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
      result: result => [...this.#judge(), "", this.#conclude(result)],
    };
    return tellings[name](event);
  }

  #begin({ title, claims, participants }: ToldAs<"lesson">): string[] {
    const { bold, dim, good, bad, notice } = this.#paint;
    this.#ladder = new Ladder(participants, this.#width, {
      plain,
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
    const cited = clause === null ? "" : cut(escapeText(clause), LONGEST_CLAUSE);
    const [first = "", ...rest] = this.#lines(what, this.#width - VERDICT - columnsOf(cited) - 1);
    const gap = " ".repeat(Math.max(0, this.#width - VERDICT - columnsOf(first) - columnsOf(cited)));
    const verdict = held ? this.#paint.good("  held    ") : this.#paint.bad("  FAILED  ");
    const came = instead === null ? [] : this.#lines(instead, this.#width - VERDICT).map(this.#paint.bad);
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
    const inLines = (text: string) => fold(text, this.#width);
    if (skipped !== null) return notice(inLines(`${name}: ${escapeText(skipped)} before its end; ${claims}`));
    return passed
      ? good(inLines(`${name} passed: ${claims}`))
      : bad(inLines(`${name} FAILED: ${claims}, ${failed} did not`));
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
