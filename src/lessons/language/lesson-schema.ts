import { closest } from "fastest-levenshtein";
import * as z from "zod";
import { EXPECTABLE_EVENTS } from "../../events/expectable-events.js";
import { referenceOf } from "./matcher.js";
import { pathOutsideRun } from "./args-sandbox.js";
import { BROKER, COMMANDS, type Command } from "./constants.js";

/** Seconds that an expectation waits when it doesn't say: a busy computer is no broken promise. */
const DEFAULT_WITHIN = 10;
/** The longest wait that a lesson may ask for: a classroom's patience, with room for keep alive and its sweep. */
const LONGEST_WITHIN = 120;
const MOST_TIMES = 1_000;
/** A key each. */
const MOST_CHOICES = 9;

export const text = z.string().trim().min(1, "this is empty");
/** It heads a column 14 wide. */
const processName = text.regex(
  /^[A-Za-z][\w-]{0,13}$/,
  "a process's name is a letter and up to 13 letters, digits, - or _",
);
const eventName = z.enum(EXPECTABLE_EVENTS, {
  error: ({ input }) =>
    typeof input === "string"
      ? `there is no event ${input}; did you mean ${closest(input, EXPECTABLE_EVENTS)}?`
      : undefined,
});
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()], {
  error: "compare with text, a number, true, false or null",
});
/** Where MQTT 3.1.1 demands it; in brackets from here on, as the text itself cites it. */
export const clause = z
  .string()
  .regex(/^MQTT-\d+(\.\d+)*-\d+$/, "a clause is written like MQTT-3.1.2-8")
  .transform(cited => `[${cited}]`);
/** Remembered with `as`. */
const eventAlias = text.regex(
  /^[A-Za-z]\w*$/,
  "a name for an event is a letter and more letters, digits or _",
);
const comparison = z
  .strictObject({
    above: z.number().optional(),
    below: z.number().optional(),
    atLeast: z.number().optional(),
    atMost: z.number().optional(),
    not: scalar.optional(),
    oneOf: z.array(scalar).min(1).optional(),
    contains: text.optional(),
    same: z
      .string()
      .regex(/^[A-Za-z]\w*(\.\w+)+$/, "same is written like NAME.field, NAME being from an earlier `as`")
      .optional(),
  })
  .refine(said => Object.keys(said).length > 0, "there is nothing to compare with")
  .refine(said => said.same === undefined || Object.keys(said).length === 1, "same stands alone");
const where = z
  .record(
    z.string(),
    z.union([scalar, comparison], {
      error: `compare with text, a number, true, false or null, or with a mapping of ${Object.keys(comparison.shape).join(", ")}`,
    }),
  )
  .default({});
const pattern = { event: eventName, where };
export const patternSchema = z.strictObject(pattern);
/** Seconds since a remembered event. */
const after = z
  .strictObject({ event: eventAlias, atLeast: z.number().optional(), atMost: z.number().optional() })
  .refine(
    ({ atLeast, atMost }) => atLeast !== undefined || atMost !== undefined,
    "say atLeast or atMost, in seconds",
  );

/** A command as it is typed, split at blanks; what needs quotes is written as a list, since no shell reads it. */
const commandLine = z
  .union([z.string(), z.array(z.union([z.string(), z.number(), z.boolean()]))], {
    error: "write the command as on a command line, or as a list of words",
  })
  .transform((line, context) => {
    const [command = "", ...args] = typeof line === "string" ? line.trim().split(/\s+/) : line.map(String);
    const quoted = typeof line === "string" && /["'`]/.test(line);
    const stray = pathOutsideRun(args);
    if (isCommand(command) && !quoted && stray === null) return { command, args };
    const message = quoted
      ? "no shell reads the quotes: write a list, [pub-lwt, --message, two words]"
      : isCommand(command)
        ? `${stray} of a lesson is a name in the folder that each run has of its own, as in ${stray} mine`
        : `a lesson starts ${Object.keys(COMMANDS).join(", ")}, and nothing else`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** What a step may be, by the key that names it. */
const steps = {
  /** Text for the student; it begins a new step. */
  say: z.strictObject({ kind: z.literal("say"), say: text }),
  start: z.strictObject({
    kind: z.literal("start"),
    start: processName,
    run: commandLine,
    /** How it may end by itself: with this exit code, or in a crash. Anything else ends the lesson. */
    exit: z.union([z.int().min(0).max(255), z.literal("crash")]).default(0),
  }),
  /** The first Ctrl-C, and its end awaited. */
  stop: z.strictObject({ kind: z.literal("stop"), stop: processName }),
  /** SIGKILL, and its end awaited. */
  kill: z.strictObject({ kind: z.literal("kill"), kill: processName }),
  /** The cable between that process and the broker: nothing passes any more, and neither side is told. */
  cut: z.strictObject({ kind: z.literal("cut"), cut: processName }),
  mend: z.strictObject({ kind: z.literal("mend"), mend: processName }),
  /** The broker of several that it is connected to fails it, for good: the connection is reset, and new ones refused. */
  failover: z.strictObject({ kind: z.literal("failover"), failover: processName }),
  /**
   * The next such event of that process, after the one that its last expectation found, or the next `times` of them;
   * with `never`, none of those in between. So absence is proved by something that did come.
   */
  expect: z.strictObject({
    kind: z.literal("expect"),
    expect: eventName,
    from: processName,
    where,
    times: z.int().min(1).max(MOST_TIMES).default(1),
    never: patternSchema.optional(),
    /**
     * Left out without it: where that process can't be run (the slide's lines want Python with paho-mqtt 1.x), or where
     * what was to be remembered under that name, as optional, did not come.
     */
    needs: text.optional(),
    within: z.number().positive().max(LONGEST_WITHIN).default(DEFAULT_WITHIN),
    /** The claim in words; without it the lesson only waits here. */
    what: text.optional(),
    clause: clause.optional(),
    /** Remembers what was found, for `same` and `after` in later steps. */
    as: eventAlias.optional(),
    after: after.optional(),
    /** The standard leaves it open: where it does not hold that is told, and nothing has failed. */
    optional: z.boolean().default(false),
  }),
  /** A question to the student; the answer is told when the step is over. */
  predict: z.strictObject({
    kind: z.literal("predict"),
    predict: text,
    choices: z.array(text).min(2).max(MOST_CHOICES),
    /** Counted from 1. */
    answer: z.int().min(1),
    because: text,
  }),
};

const KINDS = Object.keys(steps);

const step = z.preprocess(
  raw => (isMapping(raw) ? { ...raw, kind: KINDS.find(kind => Object.hasOwn(raw, kind)) } : raw),
  z.discriminatedUnion(
    "kind",
    [
      steps.say,
      steps.start,
      steps.stop,
      steps.kill,
      steps.cut,
      steps.mend,
      steps.failover,
      steps.expect,
      steps.predict,
    ],
    { error: `a step has one of the keys ${KINDS.join(", ")}` },
  ),
);

export const lessonSchema = z
  .strictObject({
    name: text,
    title: text,
    /** The slides' claims that it is about: S1 to S12. */
    claims: z.array(z.string()).default([]),
    steps: z.array(step).min(1, "a lesson has at least one step"),
    /** Run at the end in any case, where the broker goes on after the lesson: what forgets what it left there. */
    cleanup: z.array(commandLine).default([]),
  })
  .superRefine(({ steps: all }, context) => {
    const known: Known = { processes: new Map([[BROKER, "broker"]]), remembered: new Map() };
    for (const [i, one] of all.entries()) {
      const problem = nameProblem(one, known) ?? referenceProblem(one, known) ?? answerProblem(one);
      if (problem)
        context.addIssue({ code: "custom", path: ["steps", i, ...problem.path], message: problem.message });
      if (one.kind === "start") known.processes.set(one.start, COMMANDS[one.run.command]);
      if (one.kind === "expect" && one.as !== undefined) known.remembered.set(one.as, one.from);
    }
  });

/** Draft 2020-12, for editors. A step has no `kind` there: its key tells that. */
export const lessonJsonSchema = (): object =>
  z.toJSONSchema(lessonSchema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema: { properties, required } }) => {
      if (!Object.values<unknown>(steps).includes(zodSchema)) return;
      delete properties?.["kind"];
      required?.splice(required.indexOf("kind"), 1);
    },
  });

export type Lesson = z.output<typeof lessonSchema>;
export type Step = Lesson["steps"][number];
/** Each kind of step by its name. */
export type Steps = { [Kind in Step["kind"]]: Extract<Step, { kind: Kind }> };

/** What the steps before have named. */
interface Known {
  processes: Map<string, "client" | "broker">;
  /** Events by their `as`, and which process said each. */
  remembered: Map<string, string>;
}

type Problem = { path: PropertyKey[]; message: string } | null;

/** A process is named by `start` before any other step speaks of it. */
function nameProblem(one: Step, { processes, remembered }: Known): Problem {
  if (one.kind === "say" || one.kind === "predict") return null;
  if (one.kind === "start")
    return one.start === BROKER && COMMANDS[one.run.command] !== "broker"
      ? { path: ["start"], message: `${BROKER} is the lesson's own broker: run lwt-broker` }
      : null;
  const key = one.kind === "expect" ? "from" : one.kind;
  const name = Reflect.get(one, key) as string;
  const role = processes.get(name);
  if (role === undefined) return { path: [key], message: `no step before this one starts ${name}` };
  const needs = one.kind === "expect" ? one.needs : undefined;
  if (needs !== undefined && !processes.has(needs) && !remembered.has(needs))
    return { path: ["needs"], message: `no step before this one starts or remembers ${needs}` };
  return role === "broker" && (one.kind === "cut" || one.kind === "mend" || one.kind === "failover")
    ? { path: [key], message: "a cable goes by the name of the client at its end" }
    : null;
}

/** An event is remembered before it is spoken of; one of the broker's only for the broker's own, for elsewhere there is none. */
function referenceProblem(one: Step, { remembered }: Known): Problem {
  if (one.kind !== "expect") return null;
  if (one.optional && (one.what === undefined || one.clause !== undefined))
    return { path: ["optional"], message: "only a claim is optional, and only what no clause demands" };
  for (const { path, name } of referencesIn(one)) {
    const from = remembered.get(name);
    if (from === undefined) return { path, message: `no step before this one remembers an event as ${name}` };
    if (from === BROKER && one.from !== BROKER)
      return { path, message: `${name} is the bundled broker's, and other brokers tell nothing` };
  }
  return null;
}

function referencesIn({ where, never, after }: Steps["expect"]): { path: PropertyKey[]; name: string }[] {
  const said = [
    { path: ["where"], where },
    { path: ["never", "where"], where: never?.where ?? {} },
  ];
  const same = said.flatMap(({ path, where: fields }) =>
    Object.entries(fields).flatMap(([field, wanted]) =>
      typeof wanted === "object" && wanted?.same !== undefined
        ? [{ path: [...path, field, "same"], name: referenceOf(wanted.same).name }]
        : [],
    ),
  );
  return after ? [...same, { path: ["after", "event"], name: after.event }] : same;
}

const answerProblem = (one: Step): Problem =>
  one.kind === "predict" && one.answer > one.choices.length
    ? { path: ["answer"], message: `there are only ${one.choices.length} choices` }
    : null;

function isMapping(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}

function isCommand(name: string): name is Command {
  return Object.hasOwn(COMMANDS, name);
}
