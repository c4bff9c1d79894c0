import type { Lesson } from "./schema.js";

/** What `{ns}` and `{x}` stand for in a lesson's texts: the namespace, and the end of client identifiers. */
export interface Names {
  ns: string;
  x: string;
}

export const NAMES_ALONE: Names = { ns: "Binil", x: "" };

/** Nobody else's, on a broker that others use too. */
export function namesAmongOthers(): Names {
  const random = Math.floor(Math.random() * 0x1_00_00_00)
    .toString(16)
    .padStart(6, "0");
  return { ns: `Binil-${random}`, x: `x${random}` };
}

export const named = (lesson: Lesson, { ns, x }: Names): Lesson =>
  JSON.parse(JSON.stringify(lesson).replaceAll("{ns}", ns).replaceAll("{x}", x)) as Lesson;

/** The options that keep a client apart from others', as far as the lesson doesn't give them. */
export function ownNames(args: string[], { ns, x }: Names, name: string | null): string[] {
  const gives = (pattern: RegExp) => args.some(word => pattern.test(word));
  return [
    ...(gives(/^--namespace(=|$)/) ? [] : ["--namespace", ns]),
    ...(name === null || gives(/^(-i|--client-id(=|$))/) ? [] : ["--client-id", name + x]),
  ];
}
