import {
  environmentName,
  type Option,
  type OptionTable,
  SHARED_PREFIX,
} from "../../src/config/options/option.js";
import { pubOptions } from "../../src/config/options/pub-options.js";
import { subOptions } from "../../src/config/options/sub-options.js";

const pick = (table: OptionTable, isWanted: (option: Option) => boolean) =>
  Object.entries(table).filter(([, option]) => !option.typedOnly && isWanted(option));

const SECTIONS: [title: string, prefix: string, options: [name: string, option: Option][]][] = [
  ["Both clients", SHARED_PREFIX, pick(pubOptions, ({ shared }) => shared === true)],
  ["pub-lwt", "PUB_LWT", pick(pubOptions, ({ shared }) => !shared)],
  ["sub-lwt", "SUB_LWT", pick(subOptions, ({ shared }) => !shared)],
];

const INTRODUCTION = `# Settings of pub-lwt and sub-lwt. Copy this file to .env. Remove the # of each line that you want to change.
# An option comes first, then the environment, then this file. An empty value is not set.
# LWT_… is for both clients. PUB_LWT_… or SUB_LWT_… of the same name comes before it.
`;

/** Returns .env.example: every variable, commented out, with its meaning and default. */
export function envExample(): string {
  const parts = SECTIONS.flatMap(([title, prefix, options]) => [
    `\n# ${title}\n`,
    ...options.map(([name, option]) => variable(environmentName(prefix, name), option)),
  ]);
  return [INTRODUCTION, ...parts].join("\n");
}

function variable(name: string, { help, default: literal = "", derived, list }: Option): string {
  const more = [list && "separated by commas, in quotes", derived && `default: ${derived}`].filter(Boolean);
  return `# ${[help, ...more].join("; ")}\n# ${name}=${literal}`;
}
