import assert from "node:assert/strict";
import { test } from "node:test";
import { holdClass, isRight } from "../support/classroom.js";

// `npm run bench -- class` is the same with thirty.
test("a class on one broker: each student sees the story of the machine that is his own, and the teacher all", async t => {
  const pub = ["--interval", "0.3", "--keep-alive", "1"];
  const { stories, table } = await holdClass(t, { students: 3, startWithin: 300, after: 3, pub });
  assert.deepEqual(
    stories.filter(story => !isRight(story)),
    [],
  );
  for (const { machine } of stories) {
    assert.match(machine, /^Machine1x[0-9a-f]{6}$/);
    assert.match(table, new RegExp(String.raw`^OFFLINE .* ${machine} +#3`, "m"));
  }
  assert.equal(new Set(stories.map(({ machine }) => machine)).size, 3);
  assert.match(table, /^3 OFFLINE  1 UNKNOWN .*: none missing, no duplicates$/m);
});
