import { subOptions } from "../config/options/sub-options.js";
import type { Renderer } from "../render/renderer.js";
import { rawText, subText } from "../render/sub-text.js";
import type { Warning } from "../config/settings/connection-settings.js";
import { effectiveSub, subSettings } from "../config/settings/sub-settings.js";
import { showSettings } from "./show-settings.js";
import { host } from "./host.js";
import { runCommand } from "./run-command.js";
import { canRewrite } from "./terminal.js";

const RAW_TO_TERMINAL: Warning = {
  code: "raw-terminal",
  message: "with --raw, payloads reach this terminal as they are: what is sent can change it.",
  hint: "Better into a file or another program: sub-lwt --raw > FILE",
};

void runCommand({
  name: "sub-lwt",
  synopsis: "[options]",
  description: "Subscribes from a persistent session; shows every message and what became of each machine.",
  words: 0,
  options: subOptions,
  environment: "SUB_LWT",
  examples: [
    ["", "follow every machine"],
    ["--subscribe-only", "let the broker store messages from now on"],
    ["--until offline", "exit when a machine's last will arrives"],
    ["--table", "machines by state, for the projector"],
    ["--retained", "what is retained, and nothing else"],
    ["-h HOST -p 1883 -t x/#", "other topics, as with mosquitto_sub"],
  ],
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
