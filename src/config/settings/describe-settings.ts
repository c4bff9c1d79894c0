import type { DescribedSetting } from "../../events/events.js";
import type { OptionTable } from "../options/option.js";
import { BROKER_GROUP, type MergedOptions } from "./merge-sources.js";

/** Options that another one can set: a URL may contain a user name. */
const GROUP_OF_OPTION: Record<string, readonly string[]> = {
  broker: BROKER_GROUP,
  username: BROKER_GROUP,
  password: BROKER_GROUP,
};

/**
 * Lists every setting with its value and its source; values of secrets are hidden.
 * @param effective values that depend on other settings
 */
export function describeSettings(
  table: OptionTable,
  { values, from }: MergedOptions<OptionTable>,
  effective: Record<string, unknown>,
): DescribedSetting[] {
  const settings = Object.entries(table).filter(([, option]) => !option.typedOnly);
  return settings.map(([name, option]) => {
    const value = textOf(effective[name] ?? values[name]);
    const given = [name, ...(GROUP_OF_OPTION[name] ?? [])].find(one => from[one]);
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
