import { table } from "../chaos/table.js";
import type { Look, Outcome } from "./failover.js";

/** Lines for 80 columns. */
export function outcomeTable({ load, verdict, clean, wills, control, silent, ...more }: Outcome): string {
  const each = silent.each.toSorted((a, b) => a - b);
  const median = each[Math.floor(each.length / 2)] ?? 0;
  return table({
    load: `${load.publishers} publishers, ${load.subscribers} subscribers; every ${load.interval} s a reading`,
    killed: `${load.rounds} nodes, one at a time, each brought back; ${more.moves} moves`,
    acknowledged: verdict.acknowledged,
    delivered: `${verdict.delivered} of ${verdict.due} due to stored sessions`,
    lost: verdict.lost,
    doubled: `${verdict.doubledAtQos1}, as it may be at QoS 1`,
    reordered: verdict.reordered,
    sessions: `${verdict.forgotten} times forgotten`,
    "clean ones": `${clean.received} of ${clean.due}; ${clean.gaps} left out while connected`,
    "gave up": `${more.gaveUp} subscribers, until the node was back`,
    wills: `${wills.came} of ${wills.due} from dead nodes; ${control.came} of ${control.due} where the client died`,
    "no service": `${seconds(median)} s a publisher, ${seconds(each.at(-1))} the longest; ${seconds(silent.all)} s for all at once`,
    "no subscriber": `${seconds(more.away)} s the longest`,
    ...Object.fromEntries(
      more.retained.map((look, i) => [i === 0 ? "retained" : " ".repeat(i), lookText(look)]),
    ),
    seconds: more.seconds.toFixed(0),
  });
}

const lookText = ({ when, found }: Look) =>
  `${found.map(count => String(count ?? "-").padStart(3)).join(" ")} at the nodes; ${when}`;

const seconds = (milliseconds = 0) => (milliseconds / 1000).toFixed(1);
