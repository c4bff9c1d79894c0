import type { ProcessEvent } from "../../events/events.js";
import { type Pattern, valueAt, type Where, whereText } from "../language/matcher.js";
import type { Step, Steps } from "../language/step-schema.js";
import type { AwaitedEvent, SearchResult } from "./event-log.js";

const MAX_EVENTS_SHOWN = 4;

/** Returns the claim of a step, or a sentence on its action. */
export function describeStep(step: Step): string {
  const describe: { [Kind in Step["kind"]]: (step: Steps[Kind]) => string } = {
    say: ({ say }) => say,
    start: ({ start, run }) => `${start} starts as ${run.command}`,
    stop: ({ stop }) => `${stop} stops`,
    kill: ({ kill }) => `${kill} is killed`,
    cut: ({ cut }) => `the cable of ${cut} is cut`,
    mend: ({ mend }) => `the cable of ${mend} is mended`,
    failover: ({ failover }) => `the broker that ${failover} is connected to fails`,
    predict: ({ predict }) => predict,
    expect: ({ what, from, expect, where }) => what ?? `${from}: ${patternText({ event: expect, where })}`,
  };
  const dispatch = <Kind extends Step["kind"]>(kind: Kind, each: Steps[Kind]) => describe[kind](each);
  return dispatch(step.kind, step);
}

/** @param foundCount events that matched before the search ended */
export function mismatchMessage(
  step: Steps["expect"],
  { pattern, never }: AwaitedEvent,
  foundCount: number,
  { outcome, events }: SearchResult,
): string {
  const { from, within, times } = step;
  const which = times > 1 ? `no. ${foundCount + 1} of ${times}: ` : "";
  const awaited = which + patternText(pattern);
  const came = eventsText(from, { ...pattern.where, ...never?.where }, events);
  return {
    found: `${from} emitted ${awaited}`,
    instead: `${from} emitted something other than ${awaited}: ${came}`,
    forbidden: `${from} emitted ${never && patternText(never)} before ${awaited}: ${came}`,
    ended: `${from} ended before it emitted ${awaited}; ${came}`,
    late: `${from} did not emit ${awaited} within ${within} s; ${came}`,
  }[outcome];
}

/** Describes an event that came too early or too late. */
export function timingMessage({ from, expect, after }: Steps["expect"], seconds: number): string {
  const least = after?.atLeast === undefined ? "" : ` at least ${after.atLeast}`;
  const most = after?.atMost === undefined ? "" : ` at most ${after.atMost}`;
  return `${from} emitted ${expect} ${seconds} s after "${after?.event}", expected:${least}${least && most && ","}${most} s`;
}

/** `status (state "offline")` */
function patternText({ event, where }: Pattern): string {
  const fields = whereText(where);
  return fields ? `${event} (${fields})` : event;
}

/** Lists the latest events, each with the fields that were compared. */
function eventsText(from: string, compared: Where, events: readonly ProcessEvent[]): string {
  if (events.length === 0) return `${from} emitted nothing more`;
  const texts = events.slice(-MAX_EVENTS_SHOWN).map(event => {
    const fields = Object.keys(compared).map(path => [path, valueAt(event, path)] as const);
    const present = fields.filter(([, value]) => value !== undefined);
    return patternText({ event: event.event, where: Object.fromEntries(present) as Where });
  });
  return `the last events were ${texts.join(", ")}`;
}
