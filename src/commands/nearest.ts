import { closest, distance } from "fastest-levenshtein";

/** The name that is a typing mistake or two away, if there is one. */
export function nearestName(given: string, names: string[]): string | undefined {
  const nearest = closest(given, names);
  return distance(given, nearest) <= 1 + given.length / 3 ? nearest : undefined;
}
