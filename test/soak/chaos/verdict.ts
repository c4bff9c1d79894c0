import type { Ledger, Stream } from "./ledger.js";

/** Counts of broken promises, by kind. */
export interface Verdict {
  acknowledged: number;
  /** An acknowledged message to a session that should get it. */
  due: number;
  delivered: number;
  lost: number;
  doubledAtQos2: number;
  /** Allowed. */
  doubledAtQos1: number;
  /** It came the first time behind a later one of its publisher and topic. */
  reordered: number;
  willsDue: number;
  willsOut: number;
  willsDoubled: number;
  willsAfterDisconnect: number;
  retained: number;
  retainedRight: number;
  /** Sessions that a broker did not know any more. */
  forgotten: number;
  /** Work that did not finish. */
  stuck: string[];
}

export const judge = (ledger: Ledger): Verdict => ({
  ...judgeMessages(ledger),
  ...judgeWills(ledger),
  ...judgeRetained(ledger),
  forgotten: ledger.forgotten,
  stuck: ledger.stuck,
});

export const isKept = (verdict: Verdict): boolean =>
  verdict.lost + verdict.doubledAtQos2 + verdict.reordered === 0 &&
  verdict.willsOut === verdict.willsDue &&
  verdict.willsDoubled + verdict.willsAfterDisconnect + verdict.forgotten + verdict.stuck.length === 0 &&
  verdict.retainedRight === verdict.retained;

function judgeMessages({ streams, sessions }: Ledger) {
  const sum = { acknowledged: 0, due: 0, delivered: 0, lost: 0, reordered: 0 };
  const doubled = { 1: 0, 2: 0 };
  for (const [run, { acknowledged, qos }] of streams) {
    sum.acknowledged += acknowledged.size;
    for (const session of sessions.values()) {
      const came = session.byRun.get(run) ?? [];
      const seen = new Set<number>();
      let highest = 0;
      for (const seq of came) {
        if (!seen.has(seq) && seq < highest) sum.reordered += 1;
        seen.add(seq);
        highest = Math.max(highest, seq);
      }
      doubled[qos === 2 ? session.qos : 1] += came.length - seen.size;
      const delivered = [...acknowledged].filter(seq => seen.has(seq)).length;
      sum.due += acknowledged.size;
      sum.delivered += delivered;
      sum.lost += acknowledged.size - delivered;
    }
  }
  return { ...sum, doubledAtQos1: doubled[1], doubledAtQos2: doubled[2] };
}

function judgeWills({ wills }: Ledger) {
  const verdict = { willsDue: 0, willsOut: 0, willsDoubled: 0, willsAfterDisconnect: 0 };
  for (const { least, most, out } of wills.values()) {
    verdict.willsDue += least;
    verdict.willsOut += Math.min(out, least);
    verdict[most === 0 ? "willsAfterDisconnect" : "willsDoubled"] += Math.max(0, out - most);
  }
  return verdict;
}

/** The last one that was acknowledged, or one that was sent after it. */
function judgeRetained({ streams, retained }: Ledger) {
  const runs = [...streams.keys()];
  const lastOf = new Map<string, { run: string; seq: number }>();
  for (const [run, { topic, retain, acknowledged }] of streams)
    if (retain && acknowledged.size > 0) lastOf.set(topic, { run, seq: highestOf(acknowledged) });
  const right = [...lastOf].filter(([topic, last]) => {
    const found = retained.get(topic);
    if (found?.run === last.run) return found.seq >= last.seq;
    return found !== undefined && runs.indexOf(found.run) > runs.indexOf(last.run);
  });
  return { retained: lastOf.size, retainedRight: right.length };
}

const highestOf = (acknowledged: Stream["acknowledged"]): number =>
  [...acknowledged].reduce((highest, seq) => Math.max(highest, seq), 0);
