import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { lessonFromFile, lessonNames } from "../../../src/lessons/catalogue.js";
import { loadLesson } from "../../../src/lessons/language/load-lesson.js";
import { isUserError } from "../../../src/util/errors.js";
import { HEAD, SUBSCRIBER } from "../../support/own-lessons.js";
import { lessonsDir } from "../../support/paths.js";

const expecting = (more: string) => `${HEAD}${SUBSCRIBER}  - expect: message\n    from: Sub\n    ${more}\n`;

const mistakes: [what: string, text: string, place: string, message: RegExp][] = [
  ["broken YAML", "name: [a", "1:9", /Flow sequence/],
  ["an empty file", "", "1:1", /must be a mapping/],
  ["no title", "name: a\nsteps: []\n", "1:1", /title: this is missing/],
  [
    "a step of no kind",
    `${HEAD}  - shout: hey\n`,
    "4:5",
    /one of the keys say, start, stop, kill, cut, mend, failover, expect, predict/,
  ],
  [
    "a misspelt key",
    `${HEAD}  - predict: x\n    choices: [a, b]\n    answer: 1\n    becuase: x\n`,
    "7:14",
    /becuase: there is no key becuase/,
  ],
  ["a number as a text", `${HEAD}  - say: 1\n`, "4:10", /say: this must be text/],
  [
    "a strange command",
    `${HEAD}  - start: A\n    run: rm -rf\n`,
    "5:10",
    /pub-lwt, sub-lwt, slide-code.py, lwt-broker/,
  ],
  ["quotes", `${HEAD}  - start: A\n    run: pub-lwt -m "x y"\n`, "5:10", /write a list/],
  ["the broker's name", `${HEAD}  - start: broker\n    run: sub-lwt\n`, "4:12", /own broker/],
  ["an unknown key", `${HEAD}${SUBSCRIBER}  - stop: Sub\n    now: yes\n`, "7:10", /no key now/],
  ["a misspelt event", `${HEAD}  - expect: mesage\n    from: broker\n`, "4:13", /did you mean message/],
  [
    "a process not started",
    `${HEAD}  - kill: Sub\n${SUBSCRIBER}`,
    "4:11",
    /no step before this one starts Sub/,
  ],
  ["a cut of the broker", `${HEAD}  - cut: broker\n`, "4:10", /the client at its end/],
  ["a mend of a process not started", `${HEAD}  - mend: Sub\n`, "4:11", /no step before this one starts Sub/],
  ["no process", `${HEAD}  - expect: message\n`, "4:5", /from: this is missing/],
  [
    "a wrong clause",
    `${HEAD}  - expect: message\n    from: broker\n    clause: "3.1"\n`,
    "6:13",
    /MQTT-3\.1\.2-8/,
  ],
  ["a strange comparison", expecting("where: { seq: { over: 1 } }"), "8:27", /no key over/],
  ["an empty comparison", expecting("where: { seq: {} }"), "8:19", /nothing to compare with/],
  ["a reference without an event", expecting("where: { seq: { same: seq } }"), "8:27", /NAME\.field/],
  [
    "a reference to an unknown event",
    expecting("where: { seq: { same: a.seq } }"),
    "8:27",
    /no step before .* as a/,
  ],
  [
    "a time since an unknown event",
    expecting("after: { event: a, atMost: 1 }"),
    "8:21",
    /no step before .* as a/,
  ],
  ["a time without bounds", expecting("after: { event: a }"), "8:12", /atLeast or atMost/],
  [
    "a claim that needs an event of the bundled broker",
    `${HEAD}  - expect: listening\n    from: broker\n    as: a\n${SUBSCRIBER}  - expect: message\n    from: Sub\n    where: { seq: { same: a.pid } }\n`,
    "11:27",
    /an event of the bundled broker/,
  ],
  ["an unknown need", expecting("needs: qos2"), "8:12", /starts or remembers qos2/],
  ["an optional step that claims nothing", expecting("optional: true"), "8:15", /only a claim is optional/],
  [
    "an optional claim with a clause",
    expecting("optional: true\n    what: x\n    clause: MQTT-3.1.2-8"),
    "8:15",
    /no clause demands/,
  ],
  [
    "an answer without a choice",
    `${HEAD}  - predict: what?\n    choices: [a, b]\n    answer: 3\n    because: it is so\n`,
    "6:13",
    /only 2 choices/,
  ],
  ["a clean-up by another program", `${HEAD}  - say: hey\ncleanup: [rm -rf x]\n`, "5:11", /pub-lwt, sub-lwt/],
  [
    "aliases without end",
    `a: &a [${"1,".repeat(9)}]\nb: &b [${"*a,".repeat(9)}]\nc: &c [${"*b,".repeat(9)}]\nd: [${"*c,".repeat(9)}]\n`,
    "1:1",
    /alias/,
  ],
];

for (const [what, text, place, message] of mistakes)
  test(`a lesson file with ${what} is a usage error with line and column`, () => {
    assert.throws(
      () => loadLesson(text, "mine.yaml"),
      error => {
        assert.ok(isUserError(error));
        assert.equal(error.exitCode, 2);
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`mine.yaml:${place}: `), error.message);
        return true;
      },
    );
  });

const LISTS = new Set(["claims.yaml", "index.yaml", "deviations.yaml"]);

test("index.yaml lists every lesson by the name in its file", async () => {
  const names = await lessonNames(lessonsDir);
  const files = readdirSync(lessonsDir).filter(file => file.endsWith(".yaml") && !LISTS.has(file));
  assert.deepEqual(names.toSorted(), files.map(file => path.basename(file, ".yaml")).toSorted());
  for (const name of names) {
    const file = path.join(lessonsDir, `${name}.yaml`);
    assert.equal((await lessonFromFile(file)).name, name);
    assert.match(readFileSync(file, "utf8"), /^# yaml-language-server: \$schema=lesson\.schema\.json\n/);
  }
});
