import * as z from "zod";
import { BROKER, COMMANDS } from "./constants.js";
import { parseReference } from "./matcher.js";
import {
  commandLine,
  processIn,
  type Step,
  type Steps,
  stepSchema,
  stepSchemas,
  text,
} from "./step-schema.js";

export const lessonSchema = z
  .strictObject({
    name: text,
    title: text,
    /** The slides' claims that the lesson is about: S1 to S12. */
    claims: z.array(z.string()).default([]),
    steps: z.array(stepSchema).min(1, "a lesson has at least one step"),
    /** Commands that remove the lesson's sessions and retained messages from a broker that outlives the lesson. */
    cleanup: z.array(commandLine).default([]),
  })
  .superRefine(({ steps }, context) => {
    const named: Named = { processes: new Map([[BROKER, "broker"]]), events: new Map() };
    for (const [i, step] of steps.entries()) {
      const problem = nameProblem(step, named) ?? referenceProblem(step, named) ?? answerProblem(step);
      if (problem)
        context.addIssue({ code: "custom", path: ["steps", i, ...problem.path], message: problem.message });
      if (step.kind === "start") named.processes.set(step.start, COMMANDS[step.run.command]);
      if (step.kind === "expect" && step.as !== undefined) named.events.set(step.as, step.from);
    }
  });

/** Returns a JSON Schema, draft 2020-12, for editors. It leaves out `kind`, which is not in lesson files. */
export const lessonJsonSchema = (): object =>
  z.toJSONSchema(lessonSchema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema: { properties, required } }) => {
      if (!Object.values<unknown>(stepSchemas).includes(zodSchema)) return;
      delete properties?.["kind"];
      required?.splice(required.indexOf("kind"), 1);
    },
  });

export type Lesson = z.output<typeof lessonSchema>;

/** The names that earlier steps have given. */
interface Named {
  processes: Map<string, "client" | "broker">;
  /** The process of each event that has a name by `as`. */
  events: Map<string, string>;
}

type Problem = { path: PropertyKey[]; message: string } | null;

/** Requires that `start` names a process before other steps use it. */
function nameProblem(step: Step, { processes, events }: Named): Problem {
  const name = processIn(step);
  if (name === null) return null;
  if (step.kind === "start")
    return name === BROKER && COMMANDS[step.run.command] !== "broker"
      ? { path: ["start"], message: `${BROKER} is the lesson's own broker: run lwt-broker` }
      : null;
  const key = step.kind === "expect" ? "from" : step.kind;
  const role = processes.get(name);
  if (role === undefined) return { path: [key], message: `no step before this one starts ${name}` };
  const needs = step.kind === "expect" ? step.needs : undefined;
  if (needs !== undefined && !processes.has(needs) && !events.has(needs))
    return { path: ["needs"], message: `no step before this one starts or remembers ${needs}` };
  return role === "broker" && (step.kind === "cut" || step.kind === "mend" || step.kind === "failover")
    ? { path: [key], message: "a cable has the name of the client at its end" }
    : null;
}

/** Requires that references are to earlier events, and to the broker's only in its own expectations. */
function referenceProblem(step: Step, { events }: Named): Problem {
  if (step.kind !== "expect") return null;
  if (step.optional && (step.what === undefined || step.clause !== undefined))
    return { path: ["optional"], message: "only a claim is optional, and only what no clause demands" };
  for (const { path, name } of referencesIn(step)) {
    const from = events.get(name);
    if (from === undefined) return { path, message: `no step before this one remembers an event as ${name}` };
    if (from === BROKER && step.from !== BROKER)
      return { path, message: `${name} is an event of the bundled broker, and other brokers report nothing` };
  }
  return null;
}

function referencesIn({ where, never, after }: Steps["expect"]): { path: PropertyKey[]; name: string }[] {
  const conditions = [
    { path: ["where"], where },
    { path: ["never", "where"], where: never?.where ?? {} },
  ];
  const same = conditions.flatMap(({ path, where: fields }) =>
    Object.entries(fields).flatMap(([field, condition]) =>
      typeof condition === "object" && condition?.same !== undefined
        ? [{ path: [...path, field, "same"], name: parseReference(condition.same).name }]
        : [],
    ),
  );
  return after ? [...same, { path: ["after", "event"], name: after.event }] : same;
}

const answerProblem = (step: Step): Problem =>
  step.kind === "predict" && step.answer > step.choices.length
    ? { path: ["answer"], message: `there are only ${step.choices.length} choices` }
    : null;
