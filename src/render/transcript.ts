import type { LessonEvent, ProcessEvent, Timed } from "../events/events.js";
import { sequenceDiagram } from "./sequence-diagram/sequence-diagram.js";
import { brokerOf } from "./sequence-diagram/diagram-rows.js";
import { escapeMarkdown } from "./markdown.js";
import { skippedText } from "./skip-text.js";
import { plainTheme } from "./theme.js";
import { DEFAULT_WIDTH } from "./screen.js";

type LessonOutput = Timed<LessonEvent | ProcessEvent>;
type OutputOf<Name extends LessonOutput["event"]> = Extract<LessonOutput, { event: Name }>;

/** The fence is longer than any in the block. */
function codeBlock(lines: string[]): string[] {
  const longest = Math.max(2, ...lines.flatMap(line => line.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return [fence, ...lines, fence, ""];
}

/** A lesson's events as Markdown that a student can hand in. */
export class Transcript {
  readonly #lines: string[] = [];
  readonly #diagram: ReturnType<typeof sequenceDiagram>;
  /** Of the current step. */
  #drawn: string[] = [];
  #claims: string[] = [];

  /** @param versions of the programs, in words */
  constructor(private readonly versions: string) {
    const screen = { width: DEFAULT_WIDTH, hasUnicode: true, isTerminal: false, isErrTerminal: false };
    this.#diagram = sequenceDiagram({ ...screen, out: plainTheme, err: plainTheme });
  }

  add(event: LessonOutput): void {
    const render = this.#renderers[event.event] as ((event: LessonOutput) => void) | undefined;
    const drawn = this.#diagram(event)?.out;
    if (render && !("process" in event)) render(event);
    else if (drawn !== undefined) this.#drawn.push(...drawn.split("\n"));
  }

  text(): string {
    this.#endStep();
    return `${this.#lines.join("\n").trim()}\n`;
  }

  readonly #renderers: { [Name in LessonOutput["event"]]?: (event: OutputOf<Name>) => void } = {
    lesson: ({ time, name, title, claims, participants }) => {
      const broker = brokerOf(participants)?.command ?? "";
      const about = claims.length > 0 ? `, on ${claims.join(", ")}` : "";
      this.#lines.push(`# ${escapeMarkdown(title)}`, "", `Lesson ${escapeMarkdown(name + about)}.  `);
      this.#lines.push(
        `${escapeMarkdown(new Date(time).toString())}, ${escapeMarkdown(this.versions)}, on ${escapeMarkdown(broker)}.`,
        "",
      );
    },
    claim: ({ claim, sentence }) => {
      this.#lines.push(`${escapeMarkdown(claim)}: ${escapeMarkdown(sentence)}`, "");
    },
    step: ({ number, say }) => {
      this.#endStep();
      this.#lines.push(`## ${number}. ${escapeMarkdown(say)}`, "");
    },
    prediction: ({ question, choices }) => {
      this.#endStep();
      this.#lines.push(`**Prediction:** ${escapeMarkdown(question)}`, "");
      this.#lines.push(...choices.map((choice, i) => `${i + 1}. ${escapeMarkdown(choice)}`), "");
    },
    revealed: ({ answer, choice, because, predicted }) => {
      this.#endStep();
      const verdict =
        predicted === null ? "" : predicted === answer ? "Right prediction. " : `Prediction: ${predicted}. `;
      this.#lines.push(
        `${verdict}**Answer:** ${answer}, ${escapeMarkdown(choice)}. ${escapeMarkdown(because)}`,
        "",
      );
    },
    expected: ({ what, held, clause, instead, deviation, reason, seconds }) => {
      const verdict = held ? "held" : deviation ? "differs" : "**failed**";
      const measured = seconds === null ? "" : ` (${seconds.toFixed(1)} s)`;
      const more = [instead, reason].filter(text => text !== null);
      const details = more.map(text => `; ${escapeMarkdown(text)}`).join("");
      this.#claims.push(
        `| ${verdict} | ${escapeMarkdown(what)}${measured}${details} | ${escapeMarkdown(clause ?? "")} |`,
      );
    },
    result: ({ passed, held, failed, skipped, deviations, notObserved, predictions, correctPredictions }) => {
      this.#endStep();
      const counts = { held, failed, differing: deviations, "not observed": notObserved };
      const parts = Object.entries(counts).map(([name, count]) => `${name}: ${count}`);
      const verdict =
        skipped === null ? (passed ? "Passed" : "Failed") : escapeMarkdown(skippedText(skipped));
      const score = predictions > 0 ? `; predictions: ${correctPredictions} of ${predictions} right` : "";
      this.#lines.push(`**${verdict}.** Claims ${parts.join(", ")}${score}.`);
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
