import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { root } from "../../support/paths.js";

const { rules } = parse(readFileSync(path.join(root, "scripts", "prose", "terms.yml"), "utf8")) as {
  rules: { expected: string; pattern: string }[];
};

/** Rules are written as `/source/flags`. */
const patterns = rules.map(({ pattern }) => {
  const [, source = "", flags = ""] = /^\/(.*)\/(\w*)$/.exec(pattern) ?? [];
  return new RegExp(source, flags);
});

/** In the order of the rules: a text that the rule finds, and a similar one that it accepts. */
const EXAMPLES: [found: string, accepted: string][] = [
  ["the broker throws the will away", "the broker discards the will, far away"],
  ["each client throws the other out", "the client ID is taken over"],
  ["the broker sends the will", "the broker publishes the will"],
  ["after 3 s the will came", "the will is published after 3 s"],
  ["the broker keeps the session", "the keep alive of a session"],
  ["the message comes at once", "the message arrives at once"],
  ["the message comes again", "the client connects again"],
  ["Machine1 says good-bye", "Machine1 disconnects gracefully"],
  ["the connection is gone", "the client goes to the first broker"],
  ["the process dies", "a diesel engine"],
  ["what is owed to a session", "what is queued for a session"],
  ["2 doubled", "2 duplicate"],
  ["whoever connects", "a client that connects"],
  ["the broker is slow; who connects waits", "Who connects first?"],
  ["ask for who connects", "ask for the client that connects"],
  ["What is not acknowledged stays", "What is a will?"],
  ["it waits so long", "as long as it lasts"],
  ["the log says why", "Who tells its subscribers?"],
  ["it is not connected any more", "send some more"],
  ["the file is to be read by hand", "the file must be readable"],
  ["it waits, for the broker is slow", "it waits for the broker"],
  ["Else it ends", "nothing else"],
  ["the first five troubles", "troubleshoot"],
  ["rules.yaml has the rules", "rules.yaml lists the rules"],
];

test("each rule of the terms linter finds its example, and accepts the counterexample", () => {
  assert.equal(EXAMPLES.length, rules.length);
  for (const [i, [found, accepted]] of EXAMPLES.entries()) {
    const pattern = patterns[i] as RegExp;
    assert.match(found, pattern, rules[i]?.expected);
    assert.doesNotMatch(accepted, pattern, rules[i]?.expected);
  }
});
