import type { CheckEvent, EventOf, Timed } from "../events/events.js";
import { inTeachingOrder, remarksText, verdictText, subjectText } from "./check-text.js";
import { escapeMarkdown } from "./markdown.js";

type Checked = EventOf<CheckEvent, "checked">;

/** The result of a check, as Markdown. */
export class CheckReport {
  #checking: Timed<EventOf<CheckEvent, "checking">> | null = null;
  #verdict: EventOf<CheckEvent, "check"> | null = null;
  readonly #claims: string[] = [];
  readonly #checked: Checked[] = [];

  add(event: Timed<CheckEvent>): void {
    if (event.event === "checking") this.#checking = event;
    if (event.event === "claim")
      this.#claims.push(`- ${escapeMarkdown(event.claim)}: ${escapeMarkdown(event.sentence)}`);
    if (event.event === "checked") this.#checked.push(event);
    if (event.event === "check") this.#verdict = event;
  }

  /** Returns an empty text if the check did not begin. */
  text(): string {
    const checking = this.#checking;
    if (!checking) return "";
    const { time, broker, product } = checking;
    const where = broker.startsWith("lwt-broker") ? "a bundled broker for each lesson" : broker;
    const checked = inTeachingOrder(this.#checked, checking.lessons);
    const verdict = this.#verdict ? verdictText(this.#verdict) : "The check did not finish.";
    return [
      `# Check of ${escapeMarkdown(subjectText({ broker, product }))}`,
      "",
      `${escapeMarkdown(time.slice(0, 10))}, on ${escapeMarkdown(where)}. ${escapeMarkdown(verdict)}.`,
      "",
      "| lesson | claims | result | clauses that held, or why not |",
      "| --- | --- | --- | --- |",
      ...checked.map(each => `| ${cells(each).join(" | ")} |`),
      "",
      ...deviations(checked),
      ...this.#claims,
    ]
      .join("\n")
      .replace(/\n*$/, "\n");
  }
}

/** Nothing can be escaped within backticks, so only safe names get them. */
const asCode = (name: string) => (/^[\w-]+$/.test(name) ? `\`${name}\`` : escapeMarkdown(name));

const cells = (checked: Checked): string[] => [
  asCode(checked.lesson),
  escapeMarkdown(checked.claims.join(" ")),
  checked.outcome,
  escapeMarkdown(remarksText(checked)),
];

function deviations(checked: readonly Checked[]): string[] {
  const all = checked.flatMap(({ lesson, deviations: each }) => each.map(one => ({ lesson, ...one })));
  if (all.length === 0) return [];
  const rows = all.map(({ lesson, what, clause, mandatory, instead, reason }) => {
    const why =
      reason === null
        ? mandatory
          ? "**not known before**"
          : "MQTT leaves it open."
        : escapeMarkdown(reason);
    const cited = clause ?? (mandatory ? "" : "none");
    return [asCode(lesson), escapeMarkdown(what), escapeMarkdown(cited), escapeMarkdown(instead ?? ""), why];
  });
  return [
    "| lesson | what did not hold | clause | what happened instead | why |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(row => `| ${row.join(" | ")} |`),
  ];
}
