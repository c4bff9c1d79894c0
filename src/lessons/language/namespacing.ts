import { SLIDE_WILL_TOPIC } from "../../protocol/topics.js";

/** Values for the placeholders `{ns}`, `{x}` and `{lastwill}` of a lesson's texts. */
export interface LessonNames {
  /** Namespace. */
  ns: string;
  /** Suffix of client identifiers. */
  x: string;
  /** The slide's topic for wills. */
  lastwill: string;
}

/** The slides' names, for a broker that serves one lesson. */
export const SLIDE_NAMES: LessonNames = { ns: "Binil", x: "", lastwill: SLIDE_WILL_TOPIC };

/** Returns random names, for a broker that serves other users too. */
export function uniqueNames(): LessonNames {
  const random = Math.floor(Math.random() * 0x1_00_00_00)
    .toString(16)
    .padStart(6, "0");
  const ns = `Binil-${random}`;
  return { ns, x: `x${random}`, lastwill: `${ns}/lastwill` };
}

/** Replaces the placeholders in all texts of `data`. */
export const substituteNames = <Data>(data: Data, names: LessonNames): Data =>
  JSON.parse(
    Object.entries<string>({ ...names }).reduce(
      (text, [name, value]) => text.replaceAll(`{${name}}`, value),
      JSON.stringify(data),
    ),
  ) as Data;

/** Returns the options that separate a client from other users' clients, except those that `args` gives. */
export function nameOptions(args: string[], { ns, x }: LessonNames, name: string | null): string[] {
  const gives = (pattern: RegExp) => args.some(word => pattern.test(word));
  return [
    ...(gives(/^--namespace(=|$)/) ? [] : ["--namespace", ns]),
    ...(name === null || gives(/^(-i|--client-id(=|$))/) ? [] : ["--client-id", name + x]),
  ];
}
