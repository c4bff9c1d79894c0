import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import stringWidth from "string-width";
import type {
  CheckEvent,
  ClientEvent,
  LessonEvent,
  ProcessEvent,
  Timed,
} from "../../../src/events/events.js";
import { pubOptions } from "../../../src/config/options/pub-options.js";
import { subOptions } from "../../../src/config/options/sub-options.js";
import { brokerText } from "../../../src/render/broker-text.js";
import { CheckReport } from "../../../src/render/check-report.js";
import { checkText } from "../../../src/render/check-text.js";
import { toAsciiUnlessUnicode, toAscii } from "../../../src/render/ascii.js";
import { forgottenText } from "../../../src/render/client-text.js";
import {
  truncate,
  justify,
  wrapHard,
  graphemesOf,
  pad,
  plural,
  justifyTruncated,
  wrap,
} from "../../../src/render/text-layout.js";
import { escapeText, jsonLine } from "../../../src/render/escape.js";
import { escapeMarkdown } from "../../../src/render/markdown.js";
import { fleetText } from "../../../src/render/fleet-text.js";
import { sequenceDiagram } from "../../../src/render/sequence-diagram/sequence-diagram.js";
import { lessonListText } from "../../../src/render/lesson-list-text.js";
import { themeFor } from "../../../src/render/theme.js";
import { pubText } from "../../../src/render/pub-text.js";
import type { Rendered, Renderer } from "../../../src/render/renderer.js";
import type { Screen } from "../../../src/render/screen.js";
import { payloadText } from "../../../src/render/payload-text.js";
import { settingsText } from "../../../src/render/settings-text.js";
import { statusText } from "../../../src/render/status-text.js";
import { Transcript } from "../../../src/render/transcript.js";
import { formatDiagnostic } from "../../../src/render/diagnostic-text.js";
import { rawText, subText } from "../../../src/render/sub-text.js";
import { tableText } from "../../../src/render/table-text.js";
import { pubSettings } from "../../../src/config/settings/pub-settings.js";
import { merge } from "../../../src/config/settings/merge-sources.js";
import { subSettings } from "../../../src/config/settings/sub-settings.js";
import { plainScreen } from "../../support/screens.js";
import { root } from "../../support/paths.js";
import {
  STATUS_TOPIC,
  UNSAFE,
  anyOf,
  asReceived,
  brokerEvent,
  checkShapes,
  failCause,
  hostile,
  lessonEvent,
  lessonStart,
  name,
  number,
  orNull,
  processEvent,
  pubEvent,
  qos,
  record,
  subEvent,
  time,
  topic,
  will,
} from "../../support/hostile-events.js";

const SGR = /\u001b\[[\d;]*m/g;

const notThere = () => assert.fail("nothing of this computer is needed");

const computer = { readFile: notThere, ownSuffix: notThere };

const defaults = {
  pub: pubSettings(merge(pubOptions, []), computer),
  sub: subSettings(merge(subOptions, []), computer),
};

const pubSetting = record({
  readingsTopic: topic,
  will: orNull(will),
  interval: number,
  fail: orNull(record({ cause: failCause, after: orNull(number) })),
  mode: fc.constantFrom<"publish" | "forget">("publish", "forget"),
  qos,
});

type Given = { render: (screen: Screen) => Renderer<never>; events: Timed[] };

const events = <E extends Timed>(event: fc.Arbitrary<E>) => fc.array<Timed>(event, { maxLength: 12 });

const screens: Record<string, fc.Arbitrary<Given>> = {
  "pub-lwt": fc.tuple(events(pubEvent), pubSetting).map(([given, { will, ...more }]) => {
    const { connection } = defaults.pub;
    const settings = {
      ...defaults.pub,
      ...more,
      statusTopic: STATUS_TOPIC,
      connection: { ...connection, will },
    };
    return { render: screen => pubText(settings, screen), events: given };
  }),
  "sub-lwt": fc.tuple(events(asReceived), fc.array(topic, { maxLength: 4 })).map(([given, filters]) => ({
    render: screen => subText({ ...defaults.sub, filters }, screen),
    events: given,
  })),
  "pub-lwt --machines": fc.tuple(events(pubEvent), name).map(([given, machine]) => ({
    render: screen => fleetText({ ...defaults.pub, machine, machines: 3 }, screen),
    events: given,
  })),
  "sub-lwt --raw": events(subEvent).map(given => ({ render: rawText, events: given })),
  "sub-lwt --table": events(subEvent).map(given => ({
    render: screen => tableText(defaults.sub, screen, true).render,
    events: given,
  })),
  "lwt-broker": events(brokerEvent).map(given => ({ render: brokerText, events: given })),
  "lwt-demo": fc
    .tuple(lessonStart, events(fc.oneof(processEvent, processEvent, lessonEvent)))
    .map(([first, given]) => ({ render: sequenceDiagram, events: [first, ...given] })),
  "lwt-demo check": events(anyOf(checkShapes)).map(given => ({ render: checkText, events: given })),
  "lwt-demo list": events(lessonEvent).map(given => ({ render: lessonListText, events: given })),
};

const textsOf = ({ out, err }: Rendered): string[] => [out, err].filter(text => text !== undefined);

/** Spaces at the end of a line are invisible. */
const trimmed = (text: string) => text.replaceAll(/ +$/gm, "");

/** The output truncates a status line to the window. */
const liveTextsOf = ({ live }: Rendered): string[] => (live ? [7, 0].map(left => live.text(left)) : []);

/** In diagnostics a word that is wider than the screen stays whole, to be copied. */
const mayStandOut = ({ event }: Timed, line: string) =>
  (event === "error" || event === "warning") && !line.trim().includes(" ");

const colourful = await themeFor(true);

for (const [name, given] of Object.entries(screens))
  test(`${name}: whatever comes from the network, nothing but text in the columns of the screen`, () => {
    fc.assert(
      fc.property(given, fc.integer({ min: 60, max: 120 }), ({ render, events }, width) => {
        const screen: Screen = { ...plainScreen, width, isErrTerminal: true };
        const plain = render(screen) as Renderer;
        const colours = { out: colourful, err: colourful };
        const coloured = render({ ...screen, ...colours }) as Renderer;
        for (const event of events) {
          const rendered = plain(event) ?? {};
          for (const live of liveTextsOf(rendered)) assert.doesNotMatch(live, UNSAFE);
          const texts = textsOf(rendered);
          assert.deepEqual(
            textsOf(coloured(event) ?? {}).map(text => trimmed(text.replaceAll(SGR, ""))),
            texts.map(trimmed),
          );
          for (const line of texts.flatMap(text => text.split("\n"))) {
            assert.doesNotMatch(line, UNSAFE, event.event);
            const columns = stringWidth(line);
            assert.ok(
              columns <= width || mayStandOut(event, line),
              `${event.event}: ${columns} of ${width}: ${line}`,
            );
          }
        }
      }),
      { numRuns: 100, includeErrorInReport: true },
    );
  });

test("sub-lwt --table: in a window of any size, nothing but text in its columns and rows", () => {
  const size = record({ columns: fc.integer({ min: 20, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(fc.array(subEvent, { maxLength: 60 }), size, (events, size) => {
      const colours = { ...plainScreen, out: colourful, err: colourful };
      const plain = tableText(defaults.sub, plainScreen, true);
      const coloured = tableText(defaults.sub, colours, true);
      for (const event of events) for (const { render } of [plain, coloured]) render(event);
      const lines = plain.frame(size) ?? [];
      const withColours = coloured.frame(size) ?? [];
      assert.deepEqual(
        withColours.map(line => trimmed(line.replaceAll(SGR, ""))),
        lines.map(trimmed),
      );
      assert.ok(lines.length <= size.rows);
      for (const line of lines) {
        assert.doesNotMatch(line, UNSAFE);
        assert.ok(stringWidth(line) <= size.columns, `${size.columns}: ${line}`);
      }
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
});

test("transcript: nothing but text, and no Markdown or HTML of others", () => {
  const given = fc.tuple(lessonStart, events(fc.oneof(processEvent, processEvent, lessonEvent)));
  fc.assert(
    fc.property(given, ([first, more]) => {
      const transcript = new Transcript("1.0");
      for (const event of [first, ...more]) transcript.add(event as Timed<LessonEvent | ProcessEvent>);
      const lines = transcript.text().split("\n");
      let fence: string | null = null;
      for (const line of lines) {
        assert.doesNotMatch(line, UNSAFE);
        if (fence === null) assert.doesNotMatch(line.replaceAll(/\\./gu, ""), /[<[\]]/, line);
        if (/^`{3,}$/.test(line)) fence = fence === null ? line : line === fence ? null : fence;
      }
      assert.equal(fence, null, "every block is closed");
    }),
    { numRuns: 100 },
  );
});

test("report of a check: nothing but text, and no HTML of others", () => {
  fc.assert(
    fc.property(events(anyOf(checkShapes)), given => {
      const report = new CheckReport();
      for (const event of given) report.add(event as Timed<CheckEvent>);
      for (const line of report.text().split("\n")) {
        assert.doesNotMatch(line, UNSAFE);
        assert.doesNotMatch(line.replaceAll(/\\./gu, ""), /[<[\]]/, line);
      }
    }),
    { numRuns: 100 },
  );
});

/** Functions that take untrusted text. */
const direct: Record<string, (text: string) => string> = {
  escapeText,
  escapeMarkdown,
  jsonLine: text => jsonLine({ text, [text]: [text] }),
  payloadText: text => payloadText(text, null, 60) + payloadText(null, text, 60),
  settingsText: text => settingsText([{ name: text, value: text, from: text }], 80),
  statusText: text =>
    statusText(
      {
        clients: [{ clientId: text, address: text, cleanSession: true, keepAlive: 1 }],
        sessions: [{ clientId: text, connected: true, subscriptions: 1, queued: 1, inFlight: 1 }],
        wills: [{ clientId: text, topic: text, qos: 1, retain: true }],
        retained: [{ topic: text, qos: 1, bytes: 1 }],
        totals: { clients: 2, sessions: 2, wills: 2, retained: 2 },
      },
      80,
    ),
  formatDiagnostic: text => formatDiagnostic("sub-lwt", "bad", text, text, plainScreen),
  forgottenText: text =>
    forgottenText({ broker: text, clientId: text, cleared: [text] }, { protocolVersion: "5" }, plainScreen),
};

/** Functions that take escaped text, and add no control characters. */
const ofSafeText: Record<string, (text: string) => string> = {
  truncate: text => truncate(text, 20),
  pad: text => pad(text, 20),
  plural: text => plural(2, text),
  justifyTruncated: text => justifyTruncated(text, text, 20),
  justify: text => justify(text, text, 20),
  wrap: text => wrap(text, 20),
  wrapHard: text => wrapHard(text, 20),
  graphemesOf: text => [...graphemesOf(text)].join(""),
  toAscii,
  toAsciiUnlessUnicode: text => toAsciiUnlessUnicode(text, { hasUnicode: false }),
};

test("each function that is given hostile text by itself", () => {
  fc.assert(
    fc.property(hostile, text => {
      const safe = escapeText(text);
      const made = [
        ...Object.entries(direct).map(([name, make]) => [name, make(text)] as const),
        ...Object.entries(ofSafeText).map(([name, make]) => [name, make(safe)] as const),
      ];
      for (const [name, texts] of made)
        for (const line of texts.split("\n")) assert.doesNotMatch(line, UNSAFE, name);
    }),
    { numRuns: 300 },
  );
});

/** The screens that test the other exports of src/render. */
const through: Record<string, string> = {
  brokerText: "lwt-broker",
  renderBy: "pub-lwt",
  sharedText: "pub-lwt",
  heading: "pub-lwt",
  reconnectText: "pub-lwt",
  limitsText: "pub-lwt",
  sessionText: "pub-lwt",
  pubText: "pub-lwt",
  fleetText: "pub-lwt --machines",
  subText: "sub-lwt",
  rawText: "sub-lwt --raw",
  sequenceDiagram: "lwt-demo",
  DiagramRows: "lwt-demo",
  Row: "lwt-demo",
  elementsOf: "lwt-demo",
  brokerOf: "lwt-demo",
  claimLine: "lwt-demo list",
  lessonListText: "lwt-demo list",
  checkText: "lwt-demo check",
  inTeachingOrder: "lwt-demo check",
  remarksText: "lwt-demo check",
  verdictText: "lwt-demo check",
  skipReasonText: "lwt-demo check",
  skippedText: "lwt-demo",
  subjectText: "lwt-demo check",
  tableText: "sub-lwt --table",
  machineTable: "sub-lwt --table",
  elapsed: "no text of others",
  Transcript: "transcript",
  CheckReport: "report",
  localTime: "no text of others",
  displayWidth: "no text of others",
  helpText: "no text of others",
  themeFor: "no text of others",
  unstyled: "no text of others",
  lifelineColumns: "no text of others",
  errWrapWidth: "no text of others",
  clampWidth: "no text of others",
};

test("every function that src/render exports is tested with hostile text", async () => {
  const folder = path.join(root, "src", "render");
  const modules = await Promise.all(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter(file => file.endsWith(".ts"))
      .map(file => import(`../../../src/render/${file}`) as Promise<object>),
  );
  const exported = modules.flatMap(module =>
    Object.entries(module).flatMap(([name, value]) => (typeof value === "function" ? [name] : [])),
  );
  const tested = [...Object.keys(direct), ...Object.keys(ofSafeText), ...Object.keys(through)];
  assert.deepEqual(exported.toSorted(), tested.toSorted());
  for (const screen of Object.values(through))
    assert.ok(screen in screens || ["transcript", "report", "no text of others"].includes(screen), screen);
});

test("wrapped text has lines of the width, and keeps every character", () => {
  const wide = fc.string({ unit: fc.constantFrom("漢", "字", "a", "é", "😀", " ") });
  fc.assert(
    fc.property(wide, fc.integer({ min: 4, max: 12 }), (text, width) => {
      const lines = wrapHard(text, width, "").split("\n");
      for (const line of lines) assert.ok(stringWidth(line) <= width, line);
      assert.equal(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    }),
  );
});

test("a JSON line is one line of plain text, and is read back as what was written", () => {
  const any = fc.oneof(pubEvent, subEvent, brokerEvent, lessonEvent, processEvent);
  fc.assert(
    fc.property(any, event => {
      const line = jsonLine(event);
      assert.doesNotMatch(line, UNSAFE);
      assert.deepEqual(JSON.parse(line), event);
    }),
    { numRuns: 1000 },
  );
});

test("with --raw a payload's bytes are its own", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      const render = rawText(plainScreen);
      const base64 = Buffer.from(bytes).toString("base64");
      const event = { time, event: "message", payload: null, payloadBase64: base64 } as Timed<ClientEvent>;
      assert.deepEqual(render(event)?.bytes, Buffer.from(bytes));
    }),
  );
});
