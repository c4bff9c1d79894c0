import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import stringWidth from "string-width";
import { displayWidth, truncate, wrap } from "../../../src/render/text-layout.js";

test("a character takes as many columns as string-width says, also where it is not called", () => {
  for (let code = 0x20; code < 0x3000; code++) {
    const character = String.fromCodePoint(code);
    assert.equal(displayWidth(character), stringWidth(character), `U+${code.toString(16)}`);
  }
  assert.equal(truncate("Müller → Straße", 10), "Müller → …");
  assert.equal(truncate("Mu\u0308ller", 4), "Mu\u0308l…");
});

test("wrapped text keeps its indent and its width", () => {
  assert.equal(wrap("  a b", 80, "    "), "  a b");
  assert.equal(wrap("one two three", 8), "one two\n  three");
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 })), words => {
      for (const line of wrap(words.join(" "), 80).split("\n")) assert.ok(stringWidth(line) <= 80, line);
    }),
  );
});
