import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz, type Setup } from "./fuzz/fuzz.js";

for (const setup of ["memory", "limits"] satisfies Setup[])
  test(`fuzzing does nothing to lwt-broker, nor to who is well-behaved: ${setup}`, async () => {
    const { report, isRight } = await fuzz({ setup, seed: 7, rounds: 1 });
    assert.ok(isRight, report);
    for (const line of report.split("\n")) assert.ok(line.length <= 80, line);
  });
