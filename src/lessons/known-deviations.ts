import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import { usageError } from "../util/errors.js";
import type { Product } from "../events/events.js";
import { clause, patternSchema, text } from "./language/step-schema.js";

const claimSchema = z.strictObject({
  lesson: text,
  /** In the lesson's own words. */
  claim: text,
  /** The clause that the claim cites. An optional claim has none. */
  clause: clause.optional(),
  /** The event that comes instead, and ends the wait. */
  instead: patternSchema.optional(),
});

const brokersSchema = z.array(
  z.strictObject({
    broker: text.regex(/^[a-z-]+$/),
    /** Includes the versions that begin with it: 2.0 includes 2.0.11. */
    version: text.regex(/^\d+(\.\d+)*$/),
    deviations: z.array(z.strictObject({ reason: text, claims: z.array(claimSchema).min(1) })),
  }),
);

/** A claim that a broker is known to break, with the reason. */
export type KnownDeviation = z.output<typeof claimSchema> & { reason: string };
type KnownBroker = Omit<z.output<typeof brokersSchema>[number], "deviations"> & {
  deviations: KnownDeviation[];
};

/** The known deviations of brokers, by product. */
export class KnownBrokers {
  private constructor(private readonly brokers: KnownBroker[]) {}

  /** Loads the list beside the lessons. */
  static async load(folder: string): Promise<KnownBrokers> {
    const list = brokersSchema.parse(parse(await readFile(path.join(folder, "deviations.yaml"), "utf8")));
    const known = list.map(({ deviations, ...broker }) => ({
      ...broker,
      deviations: deviations.flatMap(({ reason, claims }) => claims.map(each => ({ ...each, reason }))),
    }));
    return new KnownBrokers(known);
  }

  deviationsOf(product: Product | null): KnownDeviation[] {
    if (!product) return [];
    const includes = ({ broker, version }: { broker: string; version: string }) =>
      broker === product.name && `${product.version}.`.startsWith(`${version}.`);
    return this.brokers.filter(includes).flatMap(({ deviations }) => deviations);
  }

  mentions(lesson: string): boolean {
    return this.brokers.some(({ deviations }) => deviations.some(each => each.lesson === lesson));
  }

  /**
   * Returns the product of a name such as `mosquitto-2.0`.
   * @throws UserError exit code 2 if no deviation of it is known
   */
  productNamed(name: string): Product {
    const [, broker = "", version = ""] = /^(.+)-(\d.*)$/.exec(name) ?? [];
    const product = { name: broker, version };
    if (this.deviationsOf(product).length > 0) return product;
    const known = this.brokers.map(each => `${each.broker}-${each.version}`).join(", ");
    throw usageError(
      "unknown-broker",
      `--as ${name}: no deviations of such a broker are known.`,
      `Use one of ${known}, or omit --as.`,
    );
  }
}
