import type { ProcessEvent } from "../../events/events.js";
import { at, type Pattern, type Where, whereText } from "../language/matcher.js";
import type { Outcome, AwaitedEvent } from "./event-log.js";
import type { Step, Steps } from "../language/lesson-schema.js";

/** How many of the latest events a failure shows. */
const SHOWN = 4;

/** What a step is there for, in words; for an expectation that claims nothing, what it waits for. */
export function purposeOf(step: Step): string {
  const words: { [Kind in Step["kind"]]: (step: Steps[Kind]) => string } = {
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
  const word = <Kind extends Step["kind"]>(kind: Kind, one: Steps[Kind]) => words[kind](one);
  return word(step.kind, step);
}

/** What came instead of what was expected, where `found` of the events that were looked for had come. */
export function insteadOf(
  step: Steps["expect"],
  { pattern, never }: AwaitedEvent,
  found: number,
  outcome: Outcome,
): string {
  const { from, within, times } = step;
  const which = times > 1 ? `no. ${found + 1} of ${times}: ` : "";
  const wanted = which + patternText(pattern);
  const came = heardText(from, { ...pattern.where, ...never?.where }, outcome.heard);
  return {
    found: `${from} said ${wanted}`,
    instead: `${from} said something else than ${wanted}: ${came}`,
    forbidden: `${from} said ${never && patternText(never)} before ${wanted}: ${came}`,
    ended: `${from} ended before it said ${wanted}; ${came}`,
    late: `${from} did not say ${wanted} within ${within} s; ${came}`,
  }[outcome.is];
}

/** That it came too early or too late. */
export function outOfTimeMessage({ from, expect, after }: Steps["expect"], seconds: number): string {
  const least = after?.atLeast === undefined ? "" : ` at least ${after.atLeast}`;
  const most = after?.atMost === undefined ? "" : ` at most ${after.atMost}`;
  return `${from} said ${expect} ${seconds} s after "${after?.event}": expected were${least}${least && most && ","}${most} s`;
}

/** `status (state "offline")` */
function patternText({ event, where }: Pattern): string {
  const fields = whereText(where);
  return fields ? `${event} (${fields})` : event;
}

/** The latest events, each with its value for what was asked, where it has one. */
function heardText(from: string, asked: Where, heard: readonly ProcessEvent[]): string {
  if (heard.length === 0) return `nothing more came from ${from}`;
  const lines = heard.slice(-SHOWN).map(event => {
    const fields = Object.keys(asked).map(path => [path, at(event, path)] as const);
    const known = fields.filter(([, value]) => value !== undefined);
    return patternText({ event: event.event, where: Object.fromEntries(known) as Where });
  });
  return `what came last was ${lines.join(", ")}`;
}
