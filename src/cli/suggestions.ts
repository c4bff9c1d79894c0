import { closest, distance } from "fastest-levenshtein";

/** Returns the nearest environment variable, whatever its prefix: `PUB_LWT_QOS` for `LWT_QOS`. */
export function nearestVariable(given: string, names: string[]): string | undefined {
  const bare = (name: string) => name.replace(/^(PUB_|SUB_)?LWT_/, "");
  const nearest = nearestName(bare(given), names.map(bare));
  return names.find(name => bare(name) === nearest);
}

/** Returns the name within a typing mistake or two, if there is one. */
export function nearestName(given: string, names: string[]): string | undefined {
  const nearest = closest(given, names);
  return distance(given, nearest) <= 1 + given.length / 3 ? nearest : undefined;
}
