import { usageError } from "../../util/errors.js";
import { shellQuote } from "../../util/shell-quote.js";
import { isSysTopic, stringProblem, topicFilterProblem } from "../../protocol/topics.js";
import { type PasswordHash, parseHash } from "./password-hash.js";
import { type AclRule, parseAclRule } from "./acl.js";

interface Account {
  hash: PasswordHash;
  /** The text of the hash in the file. */
  proof: string;
  rules: AclRule[];
}

/** The content of a file of users. */
export interface UsersFile {
  users: Map<string, Account>;
  /** Rules for every user, in addition to their own. */
  everyone: AclRule[];
  /** Rules for clients without a user name. Null: they are refused. */
  anonymous: AclRule[] | null;
}

export const NEW_FILE = `# The users of lwt-broker --users, and the topics that each may use. The broker reads this file again when it changes.
# Add a user, or set a password: npx lwt-broker passwd FILE USER
# In a topic, %u is the user's name and %c the client ID. The user anna publishes with: npx pub-lwt -u anna --machine anna

everyone
  publish   Binil/%u/#
  publish   sensors/lastwill
  subscribe Binil/#
  subscribe sensors/lastwill

`;

/** Sections without a user. A user's line has a colon. */
const SECTIONS = ["everyone", "anonymous"] as const;
const RULE = /^\s+(publish|subscribe)\s+(\S.*)$/;

const lines = (text: string) => text.replace(/^\ufeff/, "").split(/\r?\n/);

/** @throws UserError `users-file` with the line number. The message does not show the line, which may have a hash */
export function parseUsersFile(file: string, text: string): UsersFile {
  const users: UsersFile["users"] = new Map();
  const sections = new Map<(typeof SECTIONS)[number], AclRule[]>();
  let rules: AclRule[] | null = null;
  for (const [i, untrimmed] of lines(text).entries()) {
    const line = untrimmed.trimEnd();
    const wrong = (what: string, hint?: string) => badLine(file, i + 1, what, hint);
    if (line === "" || line.trimStart().startsWith("#")) continue;
    const section = SECTIONS.find(name => name === line);
    if (/^\s/.test(line)) {
      if (!rules) throw wrong("this right stands below no user, everyone or anonymous");
      rules.push(readRule(line, rules === sections.get("anonymous"), wrong));
    } else if (section) {
      if (sections.has(section)) throw wrong(`${section} stands in an earlier line already`);
      sections.set(section, (rules = []));
    } else {
      const [name, account] = readUser(file, line, wrong);
      if (users.has(name)) throw wrong(`the user ${name} stands in an earlier line already`);
      users.set(name, account);
      ({ rules } = account);
    }
  }
  const anonymous = sections.get("anonymous") ?? null;
  if (users.size === 0 && !anonymous)
    throw usageError(
      "users-file",
      `there is no user in ${file}, so nobody could log in.`,
      `Add one: npx lwt-broker passwd ${shellQuote(file)} USER`,
    );
  return { users, everyone: sections.get("everyone") ?? [], anonymous };
}

type Wrong = (what: string, hint?: string) => Error;

function readRule(line: string, isAnonymous: boolean, wrong: Wrong): AclRule {
  const [, action, filter = ""] = RULE.exec(line) ?? [];
  if (action !== "publish" && action !== "subscribe")
    throw wrong("a right is the word publish or subscribe, and a topic filter");
  const problem = topicFilterProblem(filter);
  if (problem) throw wrong(`the topic filter is not allowed: ${problem}`);
  if (action === "publish" && isSysTopic(filter))
    throw wrong("$SYS belongs to the broker, so nobody may publish there");
  if (isAnonymous && filter.includes("%u")) throw wrong("anonymous clients have no name for %u");
  return parseAclRule(action, filter);
}

function readUser(file: string, line: string, wrong: Wrong): [name: string, Account] {
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const passwd = `npx lwt-broker passwd ${shellQuote(file)} ${colon < 0 ? "USER" : shellQuote(name)}`;
  if (colon < 0)
    throw wrong(
      "this is not everyone or anonymous, and this user has no password",
      `For a user, set a password: ${passwd}`,
    );
  const problem = userNameProblem(name);
  if (problem) throw wrong(`the user name is not allowed: ${problem}`);
  const proof = line.slice(colon + 1);
  const hash = parseHash(proof);
  if (!hash)
    throw wrong(`the text after ${name} is no password hash, or its cost is too high`, `Set it: ${passwd}`);
  return [name, { hash, proof, rules: [] }];
}

const badLine = (
  file: string,
  line: number,
  what: string,
  hint = "Lines are: USER:HASH, everyone or anonymous; below each, indented, its rights: publish or subscribe TOPIC.",
) => usageError("users-file", `${file}, line ${line}: ${what}.`, hint);

/** Returns why a name cannot be written into the file, or null. */
export function userNameProblem(name: string): string | null {
  if (name === "") return "it is empty";
  if (name.includes(":")) return "it has a colon, which ends a name in the file";
  if (name !== name.trim() || name.startsWith("#")) return "it begins or ends with a space, or begins with #";
  if (/\p{Cc}/u.test(name)) return "it has a control character in it";
  return stringProblem(name);
}

/** Returns the file's text with another password for that user, who is added if needed. */
export function withPassword(text: string, name: string, hash: string): string {
  const end = /\r\n/.test(text) ? "\r\n" : "\n";
  const all = text.split("\n");
  const isOfUser = (line: string) =>
    line
      .replace(/^\ufeff/, "")
      .split(":")[0]
      ?.trimEnd() === name;
  const at = all.findIndex(line => isOfUser(line) && (line.includes(":") || !isSection(line)));
  const entry = `${name}:${hash}`;
  if (at < 0) return `${text}${text === "" || text.endsWith("\n") ? "" : end}${entry}${end}`;
  const old = all[at] ?? "";
  all[at] = `${old.startsWith("\ufeff") ? "\ufeff" : ""}${entry}${old.endsWith("\r") ? "\r" : ""}`;
  return all.join("\n");
}

const isSection = (line: string) => SECTIONS.some(name => name === line.trimEnd());
