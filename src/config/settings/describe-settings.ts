import type { DescribedSetting } from "../../events/events.js";
import type { OptionTable } from "../options/option.js";
import { BROKER_GROUP, type Given } from "./merge-sources.js";

/** Options whose value another one can bring along: a URL has a user name, for example. */
const ALSO_FROM: Record<string, readonly string[]> = {
  broker: BROKER_GROUP,
  username: BROKER_GROUP,
  password: BROKER_GROUP,
};

/**
 * Every setting, its value as a text and where it came from; secrets are named, not shown.
 * @param effective the values that depend on others
 */
export function describeSettings(
  table: OptionTable,
  { values, from }: Given<OptionTable>,
  effective: Record<string, unknown>,
): DescribedSetting[] {
  const settings = Object.entries(table).filter(([, option]) => !option.typedOnly);
  return settings.map(([name, option]) => {
    const value = textOf(effective[name] ?? values[name]);
    const given = [name, ...(ALSO_FROM[name] ?? [])].find(one => from[one]);
    return {
      name,
      value: value !== null && option.secret ? "(hidden)" : value,
      from: value === null || given === undefined ? "default" : (from[given]?.nameOf(given) ?? "default"),
    };
  });
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return Array.isArray(value) ? value.join(",") : `${value as string | number | boolean}`;
}
