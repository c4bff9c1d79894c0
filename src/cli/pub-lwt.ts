import { pubOptions } from "../config/options/pub-options.js";
import { pubText } from "../render/pub-text.js";
import type { Renderer } from "../render/renderer.js";
import { fleetText } from "../render/fleet-text.js";
import { effectivePub, pubSettings } from "../config/settings/pub-settings.js";
import { showSettings } from "./show-settings.js";
import { host } from "./host.js";
import { runCommand } from "./run-command.js";

void runCommand({
  name: "pub-lwt",
  synopsis: "[options]",
  description: "Publishes sensor readings from a persistent session that has a last will.",
  words: 0,
  options: pubOptions,
  environment: "PUB_LWT",
  examples: [
    ["", "a reading every 3 s, to this machine"],
    ["--after 3 --fail network", "lose the connection: the will comes"],
    ["--after 3 --fail graceful", "the control: the will does not come"],
    ["--broker hivemq", "to the public HiveMQ broker"],
    ["-h HOST -p 1883 -t x -m hello", "one message, as with mosquitto_pub"],
  ],
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
