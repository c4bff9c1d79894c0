import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Break, intact } from "./breaks.js";
import type { BrokerKind } from "./brokers.js";
import { Random } from "./random.js";
import { type Aims, storm } from "./storm.js";
import { rows, table } from "./table.js";
import { isKept, judge } from "./verdict.js";

export interface ChaosOptions {
  seed: number;
  kills: number;
  /** @param bin where lwt-broker.cjs is */
  broker: (bin: string) => BrokerKind;
  broken?: Break;
}

const EVERYWHERE: Aims = { broker: 0.35, publishers: 0.25, startUp: 0.2, tidying: 0.2 };
/** Damage shows whenever the broker starts again. */
const AT_THE_BROKER: Aims = { broker: 1, publishers: 0, startUp: 0, tidying: 0 };

/** @returns what came of it, and whether it is as it has to be: all kept, or what is broken noticed */
export async function chaos(options: ChaosOptions): Promise<{ report: string; isRight: boolean }> {
  const { seed, kills, broken } = options;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-chaos-"));
  try {
    const { bin, tamper, noticed } = (broken ?? intact).make(folder, new Random(seed, "break"));
    const kind = options.broker(bin);
    const aims = broken ? AT_THE_BROKER : EVERYWHERE;
    const outcome = await storm({ kind, folder, seed, kills, aims, tamper });
    const verdict = judge(outcome.ledger);
    const telling = noticed(verdict);
    const more = broken ? { broken: broken.about, noticed: telling ?? "no" } : {};
    return {
      report: table({ broker: kind.setUp, seed, ...rows(outcome, verdict), ...more }),
      isRight: broken ? telling !== null : isKept(verdict),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
