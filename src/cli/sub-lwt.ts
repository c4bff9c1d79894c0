import { subOptions } from "../config/options/sub-options.js";
import type { Renderer } from "../render/renderer.js";
import { rawText, subText } from "../render/sub-text.js";
import type { Warning } from "../config/settings/connection-settings.js";
import { effectiveSub, subSettings } from "../config/settings/sub-settings.js";
import { showSettings } from "./show-settings.js";
import { host } from "./host.js";
import { shellQuote } from "../util/shell-quote.js";
import { runCommand } from "./run-command.js";
import { canRewrite } from "./terminal.js";

const RAW_TO_TERMINAL: Warning = {
  code: "raw-terminal",
  message: "with --raw, payloads reach this terminal unchanged, so a message can change the terminal.",
  hint: "Write to a file or another program: sub-lwt --raw > FILE",
};

void runCommand({
  name: "sub-lwt",
  synopsis: "[options]",
  description: "Subscribe with a stored session, and show every message and the state of each machine.",
  words: 0,
  options: subOptions,
  environment: "SUB_LWT",
  exitCodes: [
    [27, "--timeout reached"],
    [130, "interrupted"],
  ],
  examples: [
    ["", "show every machine"],
    ["--subscribe-only", "create the stored session, then exit"],
    ["--until offline", "exit when a machine goes offline"],
    ["--table", "show the machines by state, for a projector"],
    ["--retained", "show the retained messages, then exit"],
    ["-h HOST -p 1883 -t x/#", "subscribe as mosquitto_sub does"],
  ],
  suggestFor: ([word = ""]) =>
    word.includes("://")
      ? `To connect to it: sub-lwt --broker URL`
      : `To subscribe to it: sub-lwt --topic ${shellQuote(word)}`,
  prepare: async (options, { screen, variables, platform }) => {
    const settings = subSettings(options, host(variables, platform));
    const { json, quiet, raw, table, "show-settings": show } = options.values;
    const shown = table
      ? (await import("./live-table.js")).liveTable(
          settings,
          screen,
          canRewrite({ isTTY: screen.isTerminal }, variables),
        )
      : { render: raw ? rawText(screen) : subText(settings, screen) };
    return {
      output: { json, quiet },
      timeout: settings.timeout,
      warnings: [...settings.warnings, ...(raw && screen.isTerminal ? [RAW_TO_TERMINAL] : [])],
      ...shown,
      render: shown.render as Renderer,
      start: show
        ? showSettings(subOptions, options, effectiveSub(settings))
        : async (sink, context) => {
            const { runSubscriber } = await import("../clients/clients.js");
            return runSubscriber(settings, sink, context);
          },
    };
  },
});
