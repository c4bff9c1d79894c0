import assert from "node:assert/strict";
import { test } from "node:test";
import { splitLines } from "../../../src/util/split-lines.js";

test("a line is split neither at U+2028 nor within a character", async () => {
  const bytes = Buffer.from("a\u2028b\n\u{1F600}\nlast");
  async function* oneByOne() {
    for (const byte of bytes) yield Buffer.from([byte]);
  }
  const lines: string[] = [];
  for await (const line of splitLines(oneByOne())) lines.push(line.toString());
  assert.deepEqual(lines, ["a\u2028b", "\u{1F600}", "last"]);
});
