import { ExitCode } from "../errors.js";
import type { OptionTable } from "../options/option.js";
import type { Sink } from "../events.js";
import { describeSettings } from "../settings/described.js";
import type { Given } from "../settings/sources.js";

/** With --show-settings: tells them in place of the work. */
export const tellSettings =
  (table: OptionTable, given: Given<OptionTable>, effective: Record<string, unknown>) =>
  (sink: Sink): Promise<ExitCode> => {
    sink({ event: "settings", settings: describeSettings(table, given, effective) });
    return Promise.resolve(ExitCode.done);
  };
