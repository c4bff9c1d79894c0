import { isDeepStrictEqual } from "node:util";
import type { ProcessEvent } from "../../events/events.js";

type Scalar = string | number | boolean | null;

/** What a field is compared with; all that is said has to hold. */
export interface Comparison {
  above?: number | undefined;
  below?: number | undefined;
  atLeast?: number | undefined;
  atMost?: number | undefined;
  not?: Scalar | undefined;
  oneOf?: Scalar[] | undefined;
  contains?: string | undefined;
  /** `NAME.field` of a remembered event. */
  same?: string | undefined;
}

/** By field, or by a path into one: `will.topic`. */
export type Where = Record<string, Scalar | Comparison>;

/** An event by its name, and what its fields must be like. */
export interface Pattern {
  event: string;
  where: Where;
}

type Held<Name extends keyof Comparison> = (is: unknown, than: NonNullable<Comparison[Name]>) => boolean;

const COMPARISONS: { [Name in Exclude<keyof Comparison, "same">]-?: Held<Name> } = {
  above: (is, than) => typeof is === "number" && is > than,
  below: (is, than) => typeof is === "number" && is < than,
  atLeast: (is, than) => typeof is === "number" && is >= than,
  atMost: (is, than) => typeof is === "number" && is <= than,
  not: (is, than) => is !== than,
  contains: (is, text) => typeof is === "string" && is.includes(text),
  oneOf: (is, these) => these.some(one => one === is),
};

export function matches(event: ProcessEvent, { event: name, where }: Pattern): boolean {
  return (
    event.event === name && Object.entries(where).every(([path, wanted]) => fits(at(event, path), wanted))
  );
}

function fits(is: unknown, wanted: Scalar | Comparison): boolean {
  if (!isComparison(wanted)) return isDeepStrictEqual(is, wanted);
  return Object.entries(wanted).every(([name, than]) => {
    const holds = COMPARISONS[name as keyof typeof COMPARISONS] as Held<keyof Comparison> | undefined;
    return holds?.(is, than as never) ?? false;
  });
}

const isComparison = (wanted: Scalar | Comparison): wanted is Comparison =>
  typeof wanted === "object" && wanted !== null;

/** The value at a path like `will.topic` or `machines.0.missing`. */
export const at = (event: object, path: string): unknown =>
  path.split(".").reduce<unknown>((value, key) => {
    const holds = typeof value === "object" && value !== null && Object.hasOwn(value, key);
    return holds ? Reflect.get(value, key) : undefined;
  }, event);

/** As it is said: `seq 3`, `seq above 2`. */
export const whereText = (where: Where): string =>
  Object.entries(where)
    .map(
      ([path, wanted]) => `${path} ${isComparison(wanted) ? comparisonText(wanted) : JSON.stringify(wanted)}`,
    )
    .join(", ");

const comparisonText = (comparison: Comparison): string =>
  Object.entries(comparison)
    .map(([name, than]) => `${WORDS[name] ?? name} ${JSON.stringify(than)}`)
    .join(" and ");

const WORDS: Record<string, string> = { atLeast: "at least", atMost: "at most", oneOf: "one of" };

/** The events that a lesson has given names to with `as`. */
export class Captures {
  readonly #events = new Map<string, readonly ProcessEvent[]>();

  remember(name: string, events: readonly ProcessEvent[]): void {
    this.#events.set(name, events);
  }

  /** The last one of that name. */
  last(name: string): ProcessEvent | undefined {
    return this.#events.get(name)?.at(-1);
  }

  /** The pattern for the i-th event that is looked for: each `same` stands for the i-th remembered one's value. */
  resolved({ event, where }: Pattern, i: number): Pattern {
    const fields = Object.entries(where).map(([path, wanted]) => [
      path,
      isComparison(wanted) && wanted.same !== undefined ? this.#value(wanted.same, i) : wanted,
    ]);
    return { event, where: Object.fromEntries(fields) as Where };
  }

  #value(reference: string, i: number): unknown {
    const { name, path } = referenceOf(reference);
    const events = this.#events.get(name) ?? [];
    return at(events[Math.min(i, events.length - 1)] ?? {}, path);
  }
}

/** `first.packetId`: of the event that was remembered as `first`. */
export function referenceOf(reference: string): { name: string; path: string } {
  const [name = "", ...path] = reference.split(".");
  return { name, path: path.join(".") };
}
