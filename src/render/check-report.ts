import type { CheckEvent, Timed } from "../events/events.js";
import { inOrder, remark, verdictText, whoText } from "./check-text.js";
import { escaped } from "./markdown.js";

type ToldAs<Name extends CheckEvent["event"]> = Extract<CheckEvent, { event: Name }>;

/** What a check found, as Markdown. */
export class CheckReport {
  #checking: Timed<ToldAs<"checking">> | null = null;
  #verdict: ToldAs<"check"> | null = null;
  readonly #checked: ToldAs<"checked">[] = [];

  add(event: Timed<CheckEvent>): void {
    if (event.event === "checking") this.#checking = event;
    if (event.event === "checked") this.#checked.push(event);
    if (event.event === "check") this.#verdict = event;
  }

  /** Empty if nothing was checked. */
  text(): string {
    const checking = this.#checking;
    if (!checking) return "";
    const { time, broker, product } = checking;
    const where = broker.startsWith("lwt-broker") ? "a bundled broker for each lesson" : broker;
    const checked = inOrder(this.#checked, checking.lessons);
    const verdict = this.#verdict ? verdictText(this.#verdict) : "The check came to no end.";
    return [
      `# Check of ${escaped(whoText({ broker, product }))}`,
      "",
      `${escaped(time.slice(0, 10))}, on ${escaped(where)}. ${escaped(verdict)}.`,
      "",
      "| lesson | claims | result | clauses that held, or why not |",
      "| --- | --- | --- | --- |",
      ...checked.map(each => `| ${cells(each).join(" | ")} |`),
      "",
      ...deviations(checked),
    ]
      .join("\n")
      .replace(/\n*$/, "\n");
  }
}

/** Within backticks nothing can be escaped. */
const asCode = (name: string) => (/^[\w-]+$/.test(name) ? `\`${name}\`` : escaped(name));

const cells = (checked: ToldAs<"checked">): string[] => [
  asCode(checked.lesson),
  escaped(checked.claims.join(" ")),
  checked.outcome,
  escaped(remark(checked)),
];

function deviations(checked: readonly ToldAs<"checked">[]): string[] {
  const all = checked.flatMap(({ lesson, deviations: each }) => each.map(one => ({ lesson, ...one })));
  if (all.length === 0) return [];
  const rows = all.map(({ lesson, what, clause, mandatory, instead, reason }) => {
    const why =
      reason === null ? (mandatory ? "**not known before**" : "MQTT leaves it open.") : escaped(reason);
    const cited = clause ?? (mandatory ? "" : "none");
    return [asCode(lesson), escaped(what), escaped(cited), escaped(instead ?? ""), why];
  });
  return [
    "| lesson | what did not hold | clause | what came instead | why |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(row => `| ${row.join(" | ")} |`),
  ];
}
