import type { Outcome } from "./storm.js";
import type { Verdict } from "./verdict.js";

/** Lines for 80 columns. */
export const table = (rows: Record<string, string | number>): string =>
  Object.entries(rows)
    .map(([name, value]) => `${name.padEnd(14)}${value}\n`)
    .join("");

export function rows({ kills, seconds }: Outcome, verdict: Verdict): Record<string, string | number> {
  const { broker, startUp, tidying, publishers } = kills;
  const { willsDue, willsOut, willsDoubled, willsAfterDisconnect } = verdict;
  return {
    "kill -9": `broker ${broker}, at start-up ${startUp}, at tidying ${tidying}; publishers ${publishers}`,
    acknowledged: verdict.acknowledged,
    delivered: `${verdict.delivered} of ${verdict.due} due to stored sessions`,
    lost: verdict.lost,
    doubled: `${verdict.doubledAtQos2} at QoS 2; ${verdict.doubledAtQos1} at QoS 1, as it may be`,
    reordered: verdict.reordered,
    wills: `${willsDue} due, ${willsOut} out, ${willsDoubled} doubled, ${willsAfterDisconnect} after DISCONNECT`,
    retained: `${verdict.retainedRight} right of ${verdict.retained}`,
    sessions: `${verdict.forgotten} times forgotten`,
    stuck: verdict.stuck.join(", ") || "nothing",
    seconds: seconds.toFixed(0),
  };
}
