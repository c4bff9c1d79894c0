import type { Permissions } from "./authenticator.js";
import { filterCovers } from "../../protocol/topics.js";

/** A topic filter of the file: `%u` stands for the user's name and `%c` for the client ID. */
export interface AclRule {
  action: "publish" | "subscribe";
  levels: string[];
}

/** `+/#` matches the same topics as `#`. */
export const parseAclRule = (action: AclRule["action"], filter: string): AclRule => ({
  action,
  levels: (filter === "+/#" ? "#" : filter).split("/"),
});

/** Names that would widen a rule that contains them: by more levels, by wildcards, or to $SYS. */
const WIDENS = /[/+#]|^\$|^$/;

/** Returns the filter of a rule for one client, or null if the rule does not apply. */
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

export function permissionsFrom(rules: AclRule[], user: string | null, clientId: string): Permissions {
  const filters = (action: AclRule["action"]) =>
    rules
      .filter(rule => rule.action === action)
      .map(rule => filterFor(rule, { "%u": user, "%c": clientId }))
      .filter(levels => levels !== null);
  const [publish, subscribe] = [filters("publish"), filters("subscribe")];
  return {
    mayPublish: topicName => publish.some(filter => filterCovers(filter, topicName)),
    maySubscribe: topicFilter => subscribe.some(filter => filterCovers(filter, topicFilter)),
  };
}
