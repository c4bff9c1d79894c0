import type { ProcessEvent } from "../events.js";
import type { Outcome, Pattern } from "./journal.js";
import type { Step, Steps } from "./schema.js";

/** How many of the latest events a failure shows. */
const SHOWN = 4;

/** What a step is there for, in words; for an expectation that claims nothing, what it waits for. */
export function purposeOf(step: Step): string {
  const words: { [Kind in Step["kind"]]: (step: Steps[Kind]) => string } = {
    say: ({ say }) => say,
    start: ({ start, run }) => `${start} starts as ${run.command}`,
    stop: ({ stop }) => `${stop} stops`,
    kill: ({ kill }) => `${kill} is killed`,
    expect: ({ what, from, expect, where }) => what ?? `${from}: ${patternText({ event: expect, where })}`,
  };
  const word = <Kind extends Step["kind"]>(kind: Kind, one: Steps[Kind]) => words[kind](one);
  return word(step.kind, step);
}

/** What came instead of what was expected. */
export function insteadOf(step: Steps["expect"], { is, heard }: Outcome): string {
  const wanted = patternText({ event: step.expect, where: step.where });
  const came = heardText(step, heard);
  const never = step.never && patternText(step.never);
  return {
    found: `${step.from} said ${wanted}`,
    forbidden: `${step.from} said ${never} before ${wanted}: ${came}`,
    ended: `${step.from} ended before it said ${wanted}; ${came}`,
    late: `${step.from} did not say ${wanted} within ${step.within} s; ${came}`,
  }[is];
}

/** `status (state "offline")` */
function patternText({ event, where }: Pattern): string {
  const fields = Object.entries(where).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return fields.length > 0 ? `${event} (${fields.join(", ")})` : event;
}

/** The latest events, each with its value for what was asked, where it has one. */
function heardText({ where, never, from }: Steps["expect"], heard: readonly ProcessEvent[]): string {
  if (heard.length === 0) return `nothing more came from ${from}`;
  const asked = new Set([...Object.keys(where), ...Object.keys(never?.where ?? {})]);
  const lines = heard.slice(-SHOWN).map(event => {
    const fields = Object.entries(event).filter(([key]) => asked.has(key));
    return patternText({ event: event.event, where: Object.fromEntries(fields) });
  });
  return `what came last was ${lines.join(", ")}`;
}
