import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { shellQuote } from "../../../src/util/shell-quote.js";

test("a path is quoted only if it has to be, and in a way that every shell understands", () => {
  assert.equal(shellQuote("/home/anna/users.txt"), "/home/anna/users.txt");
  assert.equal(shellQuote(String.raw`C:\Users\anna\users.txt`), String.raw`C:\Users\anna\users.txt`);
  assert.equal(shellQuote(String.raw`C:\Program Files\users.txt`), String.raw`"C:\Program Files\users.txt"`);
  assert.equal(shellQuote("Binil/#"), '"Binil/#"');
  assert.equal(shellQuote(""), '""');
});

test("a pasted word arrives in sh as it was", {
  skip: process.platform === "win32" && "there is no sh",
}, () => {
  for (const word of ["two words", "$HOME", "it's", 'say "x"', "`id`", "a;b", "#", "*", "hi!", "ä→"])
    assert.equal(execFileSync("sh", ["-c", `printf %s ${shellQuote(word)}`], { encoding: "utf8" }), word);
});
