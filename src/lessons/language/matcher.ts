import { isDeepStrictEqual } from "node:util";
import type { ProcessEvent } from "../../events/events.js";

type Scalar = string | number | boolean | null;

/** All comparisons must hold. */
export interface Comparison {
  above?: number | undefined;
  below?: number | undefined;
  atLeast?: number | undefined;
  atMost?: number | undefined;
  not?: Scalar | undefined;
  oneOf?: Scalar[] | undefined;
  contains?: string | undefined;
  /** `NAME.field` of a captured event. */
  same?: string | undefined;
}

/** Conditions by field, or by a path such as `will.topic`. */
export type Where = Record<string, Scalar | Comparison>;

/** An event's name, and the conditions on its fields. */
export interface Pattern {
  event: string;
  where: Where;
}

type Predicate<Name extends keyof Comparison> = (
  value: unknown,
  operand: NonNullable<Comparison[Name]>,
) => boolean;

const PREDICATES: { [Name in Exclude<keyof Comparison, "same">]-?: Predicate<Name> } = {
  above: (value, bound) => typeof value === "number" && value > bound,
  below: (value, bound) => typeof value === "number" && value < bound,
  atLeast: (value, bound) => typeof value === "number" && value >= bound,
  atMost: (value, bound) => typeof value === "number" && value <= bound,
  not: (value, other) => value !== other,
  contains: (value, text) => typeof value === "string" && value.includes(text),
  oneOf: (value, choices) => choices.some(choice => choice === value),
};

export function matches(event: ProcessEvent, { event: name, where }: Pattern): boolean {
  return (
    event.event === name &&
    Object.entries(where).every(([path, condition]) => fulfils(valueAt(event, path), condition))
  );
}

function fulfils(value: unknown, condition: Scalar | Comparison): boolean {
  if (!isComparison(condition)) return isDeepStrictEqual(value, condition);
  return Object.entries(condition).every(([name, operand]) => {
    const predicate = PREDICATES[name as keyof typeof PREDICATES] as Predicate<keyof Comparison> | undefined;
    return predicate?.(value, operand as never) ?? false;
  });
}

const isComparison = (condition: Scalar | Comparison): condition is Comparison =>
  typeof condition === "object" && condition !== null;

/** Returns the value at a path such as `will.topic` or `machines.0.missing`. */
export const valueAt = (event: object, path: string): unknown =>
  path.split(".").reduce<unknown>((value, key) => {
    const hasKey = typeof value === "object" && value !== null && Object.hasOwn(value, key);
    return hasKey ? Reflect.get(value, key) : undefined;
  }, event);

/** `seq 3`, `seq above 2` */
export const whereText = (where: Where): string =>
  Object.entries(where)
    .map(
      ([path, condition]) =>
        `${path} ${isComparison(condition) ? comparisonText(condition) : JSON.stringify(condition)}`,
    )
    .join(", ");

const comparisonText = (comparison: Comparison): string =>
  Object.entries(comparison)
    .map(([name, operand]) => `${WORDS[name] ?? name} ${JSON.stringify(operand)}`)
    .join(" and ");

const WORDS: Record<string, string> = { atLeast: "at least", atMost: "at most", oneOf: "one of" };

/** The events that a lesson names with `as`. */
export class Captures {
  readonly #events = new Map<string, readonly ProcessEvent[]>();

  add(name: string, events: readonly ProcessEvent[]): void {
    this.#events.set(name, events);
  }

  last(name: string): ProcessEvent | undefined {
    return this.#events.get(name)?.at(-1);
  }

  /** Replaces each `same` with the value of the i-th captured event, or of the last if there are fewer. */
  resolve({ event, where }: Pattern, i: number): Pattern {
    const fields = Object.entries(where).map(([path, condition]) => [
      path,
      isComparison(condition) && condition.same !== undefined ? this.#value(condition.same, i) : condition,
    ]);
    return { event, where: Object.fromEntries(fields) as Where };
  }

  #value(reference: string, i: number): unknown {
    const { name, path } = parseReference(reference);
    const events = this.#events.get(name) ?? [];
    return valueAt(events[Math.min(i, events.length - 1)] ?? {}, path);
  }
}

/** Splits `first.packetId` into the captured event's name and the path. */
export function parseReference(reference: string): { name: string; path: string } {
  const [name = "", ...path] = reference.split(".");
  return { name, path: path.join(".") };
}
