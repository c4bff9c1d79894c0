import { closest } from "fastest-levenshtein";
import { z } from "zod";
import { EVENT_NAMES } from "../events.js";
import { BROKER, COMMANDS, type Command } from "./vocabulary.js";

/** Seconds that an expectation waits when it doesn't say. */
const DEFAULT_WITHIN = 5;
/** The longest wait that a lesson may ask for: a classroom's patience, with room for keep alive and its sweep. */
const LONGEST_WITHIN = 120;

const text = z.string().trim().min(1, "this is empty");
/** It heads a column 14 wide. */
const processName = text.regex(
  /^[A-Za-z][\w-]{0,13}$/,
  "a process's name is a letter and up to 13 letters, digits, - or _",
);
const eventName = z.enum(EVENT_NAMES, {
  error: ({ input }) =>
    typeof input === "string"
      ? `there is no event ${input}; did you mean ${closest(input, EVENT_NAMES)}?`
      : undefined,
});
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()], {
  error: "compare with text, a number, true, false or null",
});
/** Where MQTT 3.1.1 demands it; in brackets from here on, as the text itself cites it. */
const clause = z
  .string()
  .regex(/^MQTT-\d+(\.\d+)*-\d+$/, "a clause is written like MQTT-3.1.2-8")
  .transform(cited => `[${cited}]`);
const where = z.record(z.string(), scalar).default({});

/** A command as it is typed, split at blanks; what needs quotes is written as a list, since no shell reads it. */
const commandLine = z
  .union([z.string(), z.array(z.union([z.string(), z.number(), z.boolean()]))], {
    error: "write the command as on a command line, or as a list of words",
  })
  .transform((line, context) => {
    const [command = "", ...args] = typeof line === "string" ? line.trim().split(/\s+/) : line.map(String);
    const quoted = typeof line === "string" && /["'`]/.test(line);
    if (isCommand(command) && !quoted) return { command, args };
    const message = quoted
      ? "no shell reads the quotes: write a list, [pub-lwt, --message, two words]"
      : `a lesson starts ${Object.keys(COMMANDS).join(", ")}, and nothing else`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** What a step may be, by the key that names it. */
const steps = {
  /** Text for the student; it begins a new step. */
  say: z.strictObject({ kind: z.literal("say"), say: text }),
  start: z.strictObject({ kind: z.literal("start"), start: processName, run: commandLine }),
  /** The first Ctrl-C, and its end awaited. */
  stop: z.strictObject({ kind: z.literal("stop"), stop: processName }),
  /** SIGKILL, and its end awaited. */
  kill: z.strictObject({ kind: z.literal("kill"), kill: processName }),
  /**
   * The next such event of that process, after the one that its last expectation found; with `never`, none of those
   * in between. So absence is proved by something that did come.
   */
  expect: z.strictObject({
    kind: z.literal("expect"),
    expect: eventName,
    from: processName,
    where,
    never: z.strictObject({ event: eventName, where }).optional(),
    within: z.number().positive().max(LONGEST_WITHIN).default(DEFAULT_WITHIN),
    /** The claim in words; without it the lesson only waits here. */
    what: text.optional(),
    clause: clause.optional(),
  }),
};

const KINDS = Object.keys(steps);

const step = z.preprocess(
  raw => (isMapping(raw) ? { ...raw, kind: KINDS.find(kind => Object.hasOwn(raw, kind)) } : raw),
  z.discriminatedUnion("kind", [steps.say, steps.start, steps.stop, steps.kill, steps.expect], {
    error: `a step has one of the keys ${KINDS.join(", ")}`,
  }),
);

export const lessonSchema = z
  .strictObject({
    name: text,
    title: text,
    /** The slides' claims that it is about: S1 to S12. */
    claims: z.array(z.string()).default([]),
    steps: z.array(step).min(1, "a lesson has at least one step"),
  })
  .superRefine((lesson, context) => {
    const started = new Set([BROKER]);
    for (const [i, one] of lesson.steps.entries()) {
      const problem = nameProblem(one, started);
      if (problem)
        context.addIssue({ code: "custom", path: ["steps", i, problem.key], message: problem.message });
      if (one.kind === "start") started.add(one.start);
    }
  });

export type Lesson = z.output<typeof lessonSchema>;
export type Step = Lesson["steps"][number];
/** Each kind of step by its name. */
export type Steps = { [Kind in Step["kind"]]: Extract<Step, { kind: Kind }> };

/** A process is named by `start` before any other step speaks of it. */
function nameProblem(one: Step, started: ReadonlySet<string>): { key: string; message: string } | null {
  if (one.kind === "say") return null;
  if (one.kind === "start")
    return one.start === BROKER ? { key: "start", message: `${BROKER} is the lesson's own broker` } : null;
  const key = one.kind === "expect" ? "from" : one.kind;
  const name = one.kind === "expect" ? one.from : one.kind === "stop" ? one.stop : one.kill;
  return started.has(name) ? null : { key, message: `no step before this one starts ${name}` };
}

function isMapping(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}

function isCommand(name: string): name is Command {
  return Object.hasOwn(COMMANDS, name);
}
