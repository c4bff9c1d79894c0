import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import { usageError } from "../util/errors.js";
import type { Product } from "../events/events.js";
import { clause, patternSchema, text } from "./language/lesson-schema.js";

const claim = z.strictObject({
  lesson: text,
  /** The lesson's own words. */
  claim: text,
  /** As the claim cites it; left out where the claim is optional. */
  clause: clause.optional(),
  /** What comes in its place: with that the lesson needs to wait no longer. */
  instead: patternSchema.optional(),
});

const brokers = z.array(
  z.strictObject({
    broker: text.regex(/^[a-z-]+$/),
    /** Stands for all that begin with it: 2.0 for 2.0.11, too. */
    version: text.regex(/^\d+(\.\d+)*$/),
    deviations: z.array(z.strictObject({ reason: text, claims: z.array(claim).min(1) })),
  }),
);

/** A claim that a broker is known not to keep, and why. */
export type KnownDeviation = z.output<typeof claim> & { reason: string };
type Known = Omit<z.output<typeof brokers>[number], "deviations"> & { deviations: KnownDeviation[] };

/** What is known of brokers, by broker and version. */
export class KnownBrokers {
  private constructor(private readonly brokers: Known[]) {}

  /** From the list beside the lessons. */
  static async in(folder: string): Promise<KnownBrokers> {
    const listed = brokers.parse(parse(await readFile(path.join(folder, "deviations.yaml"), "utf8")));
    const known = listed.map(({ deviations, ...broker }) => ({
      ...broker,
      deviations: deviations.flatMap(({ reason, claims }) => claims.map(each => ({ ...each, reason }))),
    }));
    return new KnownBrokers(known);
  }

  /** What is known of that one; of one that nobody has named, or of another version, nothing. */
  deviationsOf(product: Product | null): KnownDeviation[] {
    if (!product) return [];
    const isIt = ({ broker, version }: { broker: string; version: string }) =>
      broker === product.name && `${product.version}.`.startsWith(`${version}.`);
    return this.brokers.filter(isIt).flatMap(({ deviations }) => deviations);
  }

  /** Whether anything is known that matters to that lesson. */
  mention(name: string): boolean {
    return this.brokers.some(({ deviations }) => deviations.some(({ lesson }) => lesson === name));
  }

  /** From `mosquitto-2.0`. @throws UserError exit code 2 when nothing is known of it */
  named(name: string): Product {
    const [, broker = "", version = ""] = /^(.+)-(\d.*)$/.exec(name) ?? [];
    const product = { name: broker, version };
    if (this.deviationsOf(product).length > 0) return product;
    const known = this.brokers.map(each => `${each.broker}-${each.version}`).join(", ");
    throw usageError(
      "unknown-broker",
      `--as ${name}: nothing is known of such a broker.`,
      `Known are ${known}. Without --as the check takes no deviation for known.`,
    );
  }
}
