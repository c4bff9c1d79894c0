import { pubOptions } from "../config/options/pub-options.js";
import { pubText } from "../render/pub-text.js";
import type { Renderer } from "../render/renderer.js";
import { fleetText } from "../render/fleet-text.js";
import { effectivePub, pubSettings } from "../config/settings/pub-settings.js";
import { showSettings } from "./show-settings.js";
import { host } from "./host.js";
import { shellQuote } from "../util/shell-quote.js";
import { runCommand } from "./run-command.js";

void runCommand({
  name: "pub-lwt",
  synopsis: "[options]",
  description: "Publish sensor readings with a stored session and a last will.",
  words: 0,
  options: pubOptions,
  environment: "PUB_LWT",
  exitCodes: [
    [27, "--timeout reached"],
    [130, "interrupted"],
    [137, "killed by --fail crash"],
  ],
  examples: [
    ["", "publish a reading every 3 seconds"],
    ["--after 3 --fail network", "fail: the broker publishes the will"],
    ["--after 3 --fail graceful", "disconnect: the will is discarded"],
    ["--broker hivemq", "use the public HiveMQ broker"],
    ["-h HOST -p 1883 -t x -m hello", "publish one message and exit"],
  ],
  suggestFor: ([word = ""]) =>
    word.includes("://")
      ? `To connect to it: pub-lwt --broker URL`
      : `To publish it: pub-lwt --message ${shellQuote(word)}`,
  prepare: (options, { screen, variables, platform }) => {
    const settings = pubSettings(options, host(variables, platform));
    const { json, quiet, "show-settings": show } = options.values;
    return {
      output: { json, quiet },
      timeout: settings.timeout,
      warnings: settings.warnings,
      render: (settings.machines > 1 ? fleetText : pubText)(settings, screen) as Renderer,
      start: show
        ? showSettings(pubOptions, options, effectivePub(settings))
        : async (sink, context) => {
            const { runPublisher, runFleet } = await import("../clients/clients.js");
            return (settings.machines > 1 ? runFleet : runPublisher)(settings, sink, context);
          },
    };
  },
});
