import { ExitCode } from "../util/errors.js";
import type { OptionTable } from "../config/options/option.js";
import type { Sink } from "../events/events.js";
import { describeSettings } from "../config/settings/describe-settings.js";
import type { MergedOptions } from "../config/settings/merge-sources.js";

/** Emits the settings, for --show-settings. */
export const showSettings =
  (table: OptionTable, options: MergedOptions<OptionTable>, effective: Record<string, unknown>) =>
  (sink: Sink): Promise<ExitCode> => {
    sink({ event: "settings", settings: describeSettings(table, options, effective) });
    return Promise.resolve(ExitCode.done);
  };
