import type { Permissions } from "./authenticator.js";
import { filterCovers } from "../../protocol/topics.js";

/** A topic filter as the file has it, in which `%u` stands for the user's name and `%c` for the client identifier. */
export interface AclRule {
  action: "publish" | "subscribe";
  levels: string[];
}

/** `+/#` is `#` in other words. */
export const parseAclRule = (action: AclRule["action"], filter: string): AclRule => ({
  action,
  levels: (filter === "+/#" ? "#" : filter).split("/"),
});

/** Whoever is called so would widen a right that has their name in it: in more levels, by wildcards, or to $SYS. */
const WIDENS = /[/+#]|^\$|^$/;

/** The filter that a right is for one client; null where it gives nothing. */
function filterFor({ levels }: AclRule, names: Record<"%u" | "%c", string | null>): string[] | null {
  let isSafe = true;
  const filled = levels.map(level =>
    level.replaceAll(/%[uc]/g, which => {
      const name = names[which as "%u" | "%c"];
      if (name === null || WIDENS.test(name)) isSafe = false;
      return name ?? "";
    }),
  );
  return isSafe ? filled : null;
}

export function permissionsFrom(rights: AclRule[], user: string | null, clientId: string): Permissions {
  const filters = (action: AclRule["action"]) =>
    rights
      .filter(right => right.action === action)
      .map(right => filterFor(right, { "%u": user, "%c": clientId }))
      .filter(levels => levels !== null);
  const [publish, subscribe] = [filters("publish"), filters("subscribe")];
  return {
    mayPublish: topicName => publish.some(filter => filterCovers(filter, topicName)),
    maySubscribe: topicFilter => subscribe.some(filter => filterCovers(filter, topicFilter)),
  };
}
