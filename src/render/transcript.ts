import type { LessonEvent, ProcessEvent, Timed } from "../events/events.js";
import { sequenceDiagram } from "./sequence-diagram/sequence-diagram.js";
import { brokerOf } from "./sequence-diagram/diagram-rows.js";
import { escaped } from "./markdown.js";
import { skippedText } from "./skip-text.js";
import { plainTheme } from "./theme.js";
import { DEFAULT_WIDTH } from "./screen.js";

type Told = Timed<LessonEvent | ProcessEvent>;
type ToldAs<Name extends Told["event"]> = Extract<Told, { event: Name }>;

/** A block as it is: its fence is longer than any in it. */
function codeBlock(lines: string[]): string[] {
  const longest = Math.max(2, ...lines.flatMap(line => line.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return [fence, ...lines, fence, ""];
}

/** A lesson's story as Markdown that a student can hand in. */
export class Transcript {
  readonly #lines: string[] = [];
  readonly #ladder: ReturnType<typeof sequenceDiagram>;
  /** Of this step: what was typed and drawn, and what was claimed. */
  #drawn: string[] = [];
  #claims: string[] = [];

  /** @param made with what: versions, in words */
  constructor(private readonly made: string) {
    const page = { width: DEFAULT_WIDTH, unicode: true, terminal: false, errTerminal: false };
    this.#ladder = sequenceDiagram({ ...page, out: plainTheme, err: plainTheme });
  }

  add(event: Told): void {
    const tell = this.#tellings[event.event] as ((event: Told) => void) | undefined;
    const drawn = this.#ladder(event)?.out;
    if (tell && !("process" in event)) tell(event);
    else if (drawn !== undefined) this.#drawn.push(...drawn.split("\n"));
  }

  text(): string {
    this.#endStep();
    return `${this.#lines.join("\n").trim()}\n`;
  }

  readonly #tellings: { [Name in Told["event"]]?: (event: ToldAs<Name>) => void } = {
    lesson: ({ time, name, title, claims, participants }) => {
      const broker = brokerOf(participants)?.command ?? "";
      const about = claims.length > 0 ? `, on ${claims.join(", ")}` : "";
      this.#lines.push(`# ${escaped(title)}`, "", `Lesson ${escaped(name + about)}.  `);
      this.#lines.push(
        `${escaped(new Date(time).toString())}, ${escaped(this.made)}, on ${escaped(broker)}.`,
        "",
      );
    },
    step: ({ number, say }) => {
      this.#endStep();
      this.#lines.push(`## ${number}. ${escaped(say)}`, "");
    },
    prediction: ({ question, choices }) => {
      this.#endStep();
      this.#lines.push(`**Prediction:** ${escaped(question)}`, "");
      this.#lines.push(...choices.map((choice, i) => `${i + 1}. ${escaped(choice)}`), "");
    },
    revealed: ({ answer, choice, because, predicted }) => {
      this.#endStep();
      const said =
        predicted === null ? "" : predicted === answer ? "Predicted rightly. " : `Predicted ${predicted}. `;
      this.#lines.push(`${said}**Answer:** ${answer}, ${escaped(choice)}. ${escaped(because)}`, "");
    },
    expected: ({ what, held, clause, instead, deviation, reason, seconds }) => {
      const verdict = held ? "held" : deviation ? "differs" : "**failed**";
      const measured = seconds === null ? "" : ` (${seconds.toFixed(1)} s)`;
      const more = [instead, reason].filter(text => text !== null);
      const came = more.map(text => `; ${escaped(text)}`).join("");
      this.#claims.push(`| ${verdict} | ${escaped(what)}${measured}${came} | ${escaped(clause ?? "")} |`);
    },
    result: ({ passed, held, failed, skipped, deviations, notObserved, predictions, correctPredictions }) => {
      this.#endStep();
      const counts = { held, failed, differing: deviations, "not observed": notObserved };
      const told = Object.entries(counts).map(([name, count]) => `${name}: ${count}`);
      const verdict = skipped === null ? (passed ? "Passed" : "Failed") : escaped(skippedText(skipped));
      const score = predictions > 0 ? `; predictions: ${correctPredictions} of ${predictions} right` : "";
      this.#lines.push(`**${verdict}.** Claims ${told.join(", ")}${score}.`);
    },
    observed: () => {},
    waiting: () => {},
  };

  #endStep(): void {
    const [drawn, claims] = [this.#drawn, this.#claims];
    [this.#drawn, this.#claims] = [[], []];
    while (drawn[0] === "") drawn.shift();
    if (drawn.length > 0) this.#lines.push(...codeBlock(drawn));
    if (claims.length > 0) this.#lines.push("| | claim | clause |", "| --- | --- | --- |", ...claims, "");
  }
}
