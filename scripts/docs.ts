// Generates the parts of the documents that describe options, from the tables that the commands read. `npm run docs` writes
// them; a test compares.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { LIMITS, pastLimit } from "../src/broker/limits/limits.js";
import type { LimitName } from "../src/events/events.js";
import { brokerOptions } from "../src/config/options/broker-options.js";
import { demoOptions } from "../src/config/options/demo-options.js";
import {
  environmentName,
  type Option,
  type OptionTable,
  SHARED_PREFIX,
} from "../src/config/options/option.js";
import { pubOptions } from "../src/config/options/pub-options.js";
import { subOptions } from "../src/config/options/sub-options.js";
import { lessonJsonSchema } from "../src/lessons/language/lesson-schema.js";
import { SIZING_HEAD, sizingRows } from "./docs-sizing.js";

interface Section {
  title: string;
  /** Null: these options have no environment variables. */
  prefix: string | null;
  options: [name: string, option: Option][];
}

const inBoth = (name: string) => Object.hasOwn(pubOptions, name) && Object.hasOwn(subOptions, name);
const pick = (table: OptionTable, wanted: (name: string, option: Option) => boolean) =>
  Object.entries(table).filter(([name, option]) => wanted(name, option));
const own = (name: string, { shared, typedOnly }: Option) => !shared && !(typedOnly && inBoth(name));

const sections: Section[] = [
  {
    title: "Both clients",
    prefix: SHARED_PREFIX,
    options: pick(pubOptions, (_name, { shared }) => shared === true),
  },
  { title: "pub-lwt", prefix: "PUB_LWT", options: pick(pubOptions, own) },
  { title: "sub-lwt", prefix: "SUB_LWT", options: pick(subOptions, own) },
  {
    title: "Both clients, on the command line only",
    prefix: null,
    options: pick(pubOptions, (_name, { typedOnly }) => typedOnly === true),
  },
  { title: "lwt-broker", prefix: null, options: Object.entries(brokerOptions) },
  { title: "lwt-demo", prefix: null, options: Object.entries(demoOptions) },
];

const INTRODUCTION = `# Settings of pub-lwt and sub-lwt. Copy this file to .env, and take the # away before the lines that you want to change:
# as it is, it changes nothing. Options go before the environment, and that before this file; an empty value is none.
# What stands here as LWT_… holds for both clients; PUB_LWT_… or SUB_LWT_… of the same name goes before it.
`;

/** .env.example: every variable, commented out, with its default and a line of meaning. */
export function envExample(): string {
  const parts = sections.flatMap(({ title, prefix, options }) =>
    prefix === null
      ? []
      : [
          `\n# ${title}\n`,
          ...options.map(([name, option]) => variable(environmentName(prefix, name), option)),
        ],
  );
  return [INTRODUCTION, ...parts].join("\n");
}

function variable(name: string, { help, default: literal = "", derived, list }: Option): string {
  const more = [list && "separated by commas, in quotes", derived && `default: ${derived}`].filter(Boolean);
  return `# ${[help, ...more].join("; ")}\n# ${name}=${literal}`;
}

/** The README's tables: every option of every command. */
export const optionTables = (): string => sections.map(table).join("\n\n");

function table({ title, prefix, options }: Section): string {
  const head = ["option", ...(prefix === null ? [] : ["environment"]), "default", "meaning"];
  const rows = options.map(([name, option]) => [
    `\`${option.alias ? `-${option.alias}, ` : ""}--${name}${option.value === null ? "" : ` ${option.value}`}\``,
    ...(prefix === null ? [] : [`\`${environmentName(prefix, name)}\``]),
    option.derived ?? (option.default === "false" ? "" : (option.default ?? "")),
    option.help,
  ]);
  return `**${title}**\n\n${markdown([head, ...rows])}`;
}

/** The README's table of the broker's limits. */
export function limitTable(): string {
  const rows = Object.entries(LIMITS).map(([name, { default: max, outcome, event, because }]) => [
    `\`${name}\``,
    pastLimit({ name: name as LimitName, max }),
    outcome,
    `\`${event}\``,
    because,
  ]);
  return markdown([["limit", "past it is", "then", "event", "why so much"], ...rows]);
}

/** docs/scale.md's table, from the measurements in docs/performance.md. */
export const sizingTable = (): string => markdown([SIZING_HEAD, ...sizingRows()]);

function markdown([head = [], ...rows]: string[][]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map(row => row[i]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map(width => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** The schema by which editors complete and check lessons. */
export const lessonSchema = (): string => `${JSON.stringify(lessonJsonSchema(), null, 2)}\n`;

const root = path.join(import.meta.dirname, "..");
const readmeFile = path.join(root, "README.md");
const envFile = path.join(root, ".env.example");
const schemaFile = path.join(root, "examples", "lessons", "lesson.schema.json");
const TABLES = /(?<=<!-- options -->\n\n)[^]*?(?=\n\n<!-- \/options -->)/;
const scaleFile = path.join(root, "docs", "scale.md");
const SIZING_TABLE = /(?<=<!-- sizing -->\n\n)[^]*?(?=\n\n<!-- \/sizing -->)/;
const LIMIT_TABLE = /(?<=<!-- limits -->\n\n)[^]*?(?=\n\n<!-- \/limits -->)/;

export const written = () => ({
  envExample: readFileSync(envFile, "utf8"),
  lessonSchema: readFileSync(schemaFile, "utf8"),
  optionTables: TABLES.exec(readFileSync(readmeFile, "utf8"))?.[0],
  limitTable: LIMIT_TABLE.exec(readFileSync(readmeFile, "utf8"))?.[0],
  sizingTable: SIZING_TABLE.exec(readFileSync(scaleFile, "utf8"))?.[0],
});

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(envFile, envExample());
  writeFileSync(schemaFile, lessonSchema());
  writeFileSync(scaleFile, readFileSync(scaleFile, "utf8").replace(SIZING_TABLE, sizingTable));
  const readme = readFileSync(readmeFile, "utf8");
  writeFileSync(readmeFile, readme.replace(TABLES, optionTables).replace(LIMIT_TABLE, limitTable));
}
