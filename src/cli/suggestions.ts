import { closest, distance } from "fastest-levenshtein";

/** The same of environment names, whose prefixes say nothing: `LWT_QOS` is meant to be `PUB_LWT_QOS`. */
export function nearestVariable(given: string, names: string[]): string | undefined {
  const bare = (name: string) => name.replace(/^(PUB_|SUB_)?LWT_/, "");
  const nearest = nearestName(bare(given), names.map(bare));
  return names.find(name => bare(name) === nearest);
}

/** The name that is a typing mistake or two away, if there is one. */
export function nearestName(given: string, names: string[]): string | undefined {
  const nearest = closest(given, names);
  return distance(given, nearest) <= 1 + given.length / 3 ? nearest : undefined;
}
