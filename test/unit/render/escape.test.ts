import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ParsedMessage } from "../../../src/domain/sensor-reading.js";
import { escapeText, jsonLine } from "../../../src/render/escape.js";

test("the parsed payload is part of a message event, and not of its JSON line", () => {
  const parsed = new ParsedMessage({ seq: 1 }, null, true);
  assert.equal(jsonLine({ event: "message", seq: 1, parsed }), '{"event":"message","seq":1}');
});

test("nothing from the network reaches a terminal or a JSON line raw", () => {
  const unsafe =
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]|\p{Cs}/u;
  const anyText = fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map(code => String.fromCharCode(code)),
  });
  fc.assert(
    fc.property(anyText, text => {
      assert.doesNotMatch(escapeText(text), unsafe);
      const line = jsonLine({ text });
      assert.doesNotMatch(line, unsafe);
      assert.equal((JSON.parse(line) as { text: string }).text, text);
    }),
  );
});
