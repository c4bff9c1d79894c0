// The generated pages of docs/reference, by file name. Each is made from what the code itself reads.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { LIMITS, pastLimit } from "../../src/broker/limits/limits.js";
import { brokerOptions } from "../../src/config/options/broker-options.js";
import { demoOptions } from "../../src/config/options/demo-options.js";
import {
  environmentName,
  type Option,
  type OptionTable,
  SHARED_PREFIX,
} from "../../src/config/options/option.js";
import { pubOptions } from "../../src/config/options/pub-options.js";
import { subOptions } from "../../src/config/options/sub-options.js";
import type { LimitName } from "../../src/events/events.js";
import { ExitCode } from "../../src/util/errors.js";
import { code, generated, table } from "./markdown.js";
import {
  type Described,
  type Field,
  interfaceIn,
  type NamedType,
  type Problem,
  problems,
  typesOf,
} from "./source.js";

const root = path.join(import.meta.dirname, "..", "..");
const lessonsDir = path.join(root, "examples", "lessons");

interface Command {
  options: OptionTable;
  prefix: string | null;
  about: string;
}

const COMMANDS: Record<string, Command> = {
  "pub-lwt": {
    options: pubOptions,
    prefix: "PUB_LWT",
    about: "publishes sensor readings, and can fail on purpose",
  },
  "sub-lwt": { options: subOptions, prefix: "SUB_LWT", about: "subscribes, and labels each message" },
  "lwt-broker": { options: brokerOptions, prefix: null, about: "runs a local MQTT 3.1.1 broker" },
  "lwt-demo": { options: demoOptions, prefix: null, about: "runs lessons and checks brokers" },
};

/** The text of each page by its path in docs/reference. */
export function pages(): Record<string, string> {
  const all: Record<string, string> = {
    ...Object.fromEntries(
      Object.entries(COMMANDS).map(([name, command]) => [`${name}.md`, commandPage(name, command)]),
    ),
    "settings.md": settingsPage(),
    "exit-codes.md": exitCodesPage(),
    "events.md": eventsPage(),
    "errors.md": errorsPage(),
    "limits.md": limitsPage(),
    "lessons.md": lessonsPage(),
    "claims.md": claimsPage(),
  };
  return { ...all, "README.md": indexPage() };
}

const page = (title: string, source: string, ...parts: string[]) =>
  `${[`# ${title}`, generated(source), ...parts].join("\n\n")}\n`;

function indexPage(): string {
  const rows = [
    ...Object.entries(COMMANDS).map(([name, { about }]) => [
      `[${name}](${name}.md)`,
      `${about}: every option`,
    ]),
    ["[Settings](settings.md)", "every option with its name in the environment and in `.env`"],
    ["[Exit codes](exit-codes.md)", "what each exit code means"],
    ["[Events](events.md)", "every event of `--json`, with its fields"],
    ["[Errors](errors.md)", "every error and warning by its code"],
    ["[Limits](limits.md)", "every limit of `lwt-broker`, and what happens past it"],
    ["[Lessons](lessons.md)", "the built-in lessons, in the order of teaching"],
    ["[Claims](claims.md)", "the claims of the slides, and the lessons that check them"],
    ["[Lesson format](lesson-format.md)", "steps, expectations and placeholders of a lesson file"],
    ["[Brokers](brokers.md)", "what the check found of some brokers"],
    ["[Benchmarks](benchmarks.md)", "what was measured, and how"],
  ];
  return page("Reference", "the code", table([["Page", "Content"], ...rows]));
}

function commandPage(name: string, { options, prefix }: Command): string {
  const help = spawnSync(process.execPath, [path.join(root, "bin", `${name}.cjs`), "--help"], {
    encoding: "utf8",
    env: { ...process.env, COLUMNS: "80", NO_COLOR: "1" },
  }).stdout.trimEnd();
  const head = ["Option", "Default", ...(prefix === null ? [] : ["Environment"]), "Meaning"];
  const rows = Object.entries(options).map(([option, details]) => [
    optionText(option, details),
    defaultText(details),
    ...(prefix === null ? [] : [variables(prefix, option, details)]),
    details.help,
  ]);
  return page(
    name,
    "the option table and the help",
    `\`\`\`text\n${help}\n\`\`\``,
    "## Every option",
    table([head, ...rows]),
  );
}

const optionText = (name: string, { alias, value }: Option) =>
  code(`${alias ? `-${alias}, ` : ""}--${name}${value === null ? "" : ` ${value}`}`);

const defaultText = ({ derived, default: literal }: Option) =>
  derived ?? (literal === "false" ? "" : (literal ?? ""));

const variables = (prefix: string, name: string, { shared, typedOnly }: Option) =>
  typedOnly
    ? ""
    : [environmentName(prefix, name), ...(shared ? [environmentName(SHARED_PREFIX, name)] : [])]
        .map(code)
        .join(", ");

function settingsPage(): string {
  const tables: OptionTable = { ...pubOptions, ...subOptions };
  const rows = Object.entries(tables).flatMap(([name, option]) => {
    if (option.typedOnly) return [];
    const names = [
      ...(option.shared ? [environmentName(SHARED_PREFIX, name)] : []),
      ...(Object.hasOwn(pubOptions, name) ? [environmentName("PUB_LWT", name)] : []),
      ...(Object.hasOwn(subOptions, name) ? [environmentName("SUB_LWT", name)] : []),
    ];
    return [[code(`--${name}`), names.map(code).join(", ")]];
  });
  return page(
    "Settings",
    "the option tables",
    `A value comes from the first of these places that has one:

1. the option on the command line;
2. the environment;
3. the file \`.env\` in the working directory, or the file that \`--env-file\` names;
4. the default.

- \`PUB_LWT_…\` or \`SUB_LWT_…\` goes before \`LWT_…\` of the same name. \`LWT_…\` is for both clients.
- An empty value in the environment or in the file is not set.
- A source that sets one of \`BROKER\`, \`HOST\` and \`PORT\` sets all three.
- A password from the environment is not sent to a broker that only a file names.
- In a file, quote a value that contains \`#\`.
- \`--show-settings\` prints every setting and its source. [.env.example](../../.env.example) lists every name.`,
    table([["Option", "Names in the environment and in `.env`"], ...rows]),
  );
}

const EXIT_CODES: Record<keyof typeof ExitCode, string> = {
  done: "Success: the command did what was asked. One Ctrl-C with nothing left to do, and a closed pipe (`| head -1`), are success too.",
  failed:
    "Failure: no broker, refused, connection lost for good, `--count` or `--until` not reached, or a claim that did not hold.",
  usage:
    "Usage error: an unknown option, a bad value, options that contradict each other, or a bad lesson file.",
  timedOut: "`--timeout` ran out first. The command sent DISCONNECT.",
  leftEarly: "Interrupted: a second Ctrl-C while the command was stopping, or Ctrl-C in a lesson.",
};

function exitCodesPage(): string {
  const rows = Object.entries(ExitCode).map(([name, value]) => [
    String(value),
    EXIT_CODES[name as keyof typeof ExitCode],
  ]);
  return page(
    "Exit codes",
    "the code",
    table([
      ["Code", "Meaning"],
      ...rows,
      ["137", "`pub-lwt --fail crash` killed itself with SIGKILL (128 + 9, as a shell reports it)."],
    ]),
    "Under `npx`, Ctrl-C ends npx too, which can give another code. Start the command without npx if the code matters: `npm link`, or `node bin/pub-lwt.cjs`.",
  );
}

const EMITTERS: [title: string, file: string, name: string, about: string][] = [
  ["Clients", "client-events.ts", "ClientEvents", "Emitted by `pub-lwt`, `sub-lwt` and `connect`."],
  ["Broker", "broker-events.ts", "BrokerEvents", "Emitted by `lwt-broker` and `startBroker`."],
  ["Lessons", "lesson-events.ts", "LessonEvents", "Emitted by `lwt-demo`."],
  ["Check", "check-events.ts", "CheckEvents", "Emitted by `lwt-demo check`."],
  ["All", "shared-events.ts", "SharedEvents", "Emitted by every command."],
];

function eventsPage(): string {
  const emitted = EMITTERS.map(([title, file, name, about]) => ({
    title,
    about,
    events: interfaceIn(file, name),
  }));
  const types = typesOf(emitted.flatMap(({ events }) => events.flatMap(({ fields }) => fields)));
  const names = types.map(({ name }) => name);
  const sections = emitted.map(({ title, about, events }) =>
    [`## ${title}`, about, ...events.map(event => eventText(event, names))].join("\n\n"),
  );
  return page(
    "Events",
    "src/events",
    "With `--json` each line on stdout is one JSON object: `time` (ISO 8601), `event`, and all fields of that event. A field without a value is null. Control, bidi and invisible characters are written as `\\u` escapes.",
    ...sections,
    "## Types",
    ...types.map(type => typeText(type, names)),
  );
}

const eventText = ({ name, about, fields }: Described, types: string[]): string =>
  [`### ${code(name)}`, ...(about ? [about] : []), fieldTable(fields, types)].join("\n\n");

function typeText({ name, about, fields, values }: NamedType, types: string[]): string {
  const content =
    name === "LimitName"
      ? "One of the [limits](limits.md)."
      : fields.length > 0
        ? fieldTable(fields, types)
        : values.some(each => each.about)
          ? table([["Value", "Meaning"], ...values.map(each => [code(each.type), each.about])])
          : `${values.map(each => code(each.type)).join(", ")}.`;
  return [`### ${name}`, ...(about ? [about] : []), content].join("\n\n");
}

const fieldTable = (fields: Field[], types: string[]): string =>
  withoutEmptyColumn([
    ["Field", "Type", "Meaning"],
    ...fields.map(field => [code(field.name), typeLink(field.type, types), field.about]),
  ]);

/** A table without its last column if that is empty below the head. */
const withoutEmptyColumn = (rows: string[][]): string =>
  table(rows.slice(1).some(row => row.at(-1)) ? rows : rows.map(row => row.slice(0, -1)));

/** Links to the first of the page's types in it. */
function typeLink(type: string, types: string[]): string {
  const named = types.find(name => new RegExp(String.raw`\b${name}\b`).test(type));
  return named ? `[${code(type)}](#${named.toLowerCase()})` : code(type);
}

function errorsPage(): string {
  const rows = (isUsage: boolean) =>
    problems()
      .filter(problem => problem.isUsage === isUsage)
      .map(({ code: name, message, hint }: Problem) => [code(name), message, hint]);
  return page(
    "Errors and warnings",
    "src",
    "An error has two lines: what is wrong, and what to do. With `--json` both are fields of the event `error` or `warning`, beside a `code` that stays the same. `…` stands for what differs from case to case.",
    "## Failures and warnings (exit code 1, or none)",
    table([["Code", "Message", "Hint"], ...rows(false)]),
    "## Usage errors (exit code 2)",
    table([["Code", "Message", "Hint"], ...rows(true)]),
  );
}

function limitsPage(): string {
  const rows = Object.entries(LIMITS).map(([name, { default: max, outcome, event, because }]) => [
    code(name),
    pastLimit({ name: name as LimitName, max }),
    outcome,
    code(event),
    because,
  ]);
  return page(
    "Limits of lwt-broker",
    "src/broker/limits",
    "Each limit bounds what one client, or all clients together, can use. The broker logs the client and the limit in one line. With `--json` the event has `limit: {name, max}`.",
    table([["Limit", "Exceeded by", "Result", "Event", "Reason for the value"], ...rows]),
    "A TLS or WebSocket handshake has as much time as a CONNECT. A WebSocket frame may be twice as long as a packet, and incomplete frames count as incomplete packets.",
    'Limits "in all" bound the memory of the broker, and with `--data` its disk. Strangers can use them up. Then nobody new is accepted, and existing sessions go on.',
  );
}

interface LessonFile {
  name: string;
  title: string;
  claims: string[];
}

const yaml = (file: string): unknown => parse(readFileSync(path.join(lessonsDir, file), "utf8"));
const lessons = () => (yaml("index.yaml") as string[]).map(name => yaml(`${name}.yaml`) as LessonFile);
const claims = () => Object.entries(yaml("claims.yaml") as Record<string, string>);

function lessonsPage(): string {
  const rows = lessons().map(({ name, title, claims: cited }) => [
    `[${code(name)}](../../examples/lessons/${name}.yaml)`,
    cited.map(claim => `[${claim}](claims.md)`).join(" "),
    title,
  ]);
  return page(
    "Lessons",
    "examples/lessons",
    "`npx lwt-demo NAME` runs a lesson, `npx lwt-demo list` lists all. In the drawing an arrow is a packet. `PUBLISH 3 #4, QoS 1` is reading 3 with packet identifier 4, and `PUBACK #4` is its acknowledgment. Each sender counts its own identifiers. The text in the column of the broker is what the broker stores or does. `╳` is the end of a connection.",
    table([["Lesson", "Claims", "Title"], ...rows]),
    "Some lessons need more than one broker on this computer. `broker-restart` stops its broker, so `--broker` skips it. `publisher-outbox` cuts a cable, so it is skipped over TLS. `session-expiry` needs a broker that speaks MQTT 5, and `cluster-failover` several brokers (`--broker a,b,c`). A skipped lesson ends with exit code 1, because it has shown nothing.",
  );
}

function claimsPage(): string {
  const checked = lessons();
  const rows = claims().map(([claim, sentence]) => [
    claim,
    sentence,
    checked
      .filter(({ claims: cited }) => cited.includes(claim))
      .map(({ name }) => code(name))
      .join(", "),
  ]);
  return page(
    "Claims of the slides",
    "examples/lessons",
    table([["Claim", "Sentence", "Lessons that check it"], ...rows]),
  );
}
