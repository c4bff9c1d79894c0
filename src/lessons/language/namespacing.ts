import { SLIDE_WILL_TOPIC } from "../../protocol/topics.js";

/** What `{ns}` and so on stand for in a lesson's texts. */
export interface LessonNames {
  /** The namespace. */
  ns: string;
  /** The end of client identifiers. */
  x: string;
  /** The slide's topic for wills. */
  lastwill: string;
}

export const NAMES_ALONE: LessonNames = { ns: "Binil", x: "", lastwill: SLIDE_WILL_TOPIC };

/** Nobody else's, on a broker that others use too. */
export function namesAmongOthers(): LessonNames {
  const random = Math.floor(Math.random() * 0x1_00_00_00)
    .toString(16)
    .padStart(6, "0");
  const ns = `Binil-${random}`;
  return { ns, x: `x${random}`, lastwill: `${ns}/lastwill` };
}

/** The same with the names in all of its texts. */
export const substituteNames = <Data>(data: Data, names: LessonNames): Data =>
  JSON.parse(
    Object.entries<string>({ ...names }).reduce(
      (text, [name, value]) => text.replaceAll(`{${name}}`, value),
      JSON.stringify(data),
    ),
  ) as Data;

/** The options that keep a client apart from others', as far as the lesson doesn't give them. */
export function ownNames(args: string[], { ns, x }: LessonNames, name: string | null): string[] {
  const gives = (pattern: RegExp) => args.some(word => pattern.test(word));
  return [
    ...(gives(/^--namespace(=|$)/) ? [] : ["--namespace", ns]),
    ...(name === null || gives(/^(-i|--client-id(=|$))/) ? [] : ["--client-id", name + x]),
  ];
}
