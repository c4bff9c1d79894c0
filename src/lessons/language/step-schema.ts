import { closest } from "fastest-levenshtein";
import * as z from "zod";
import { EXPECTABLE_EVENTS } from "../../events/expectable-events.js";
import { pathOutsideRun } from "./args-sandbox.js";
import { COMMANDS, isCommand } from "./constants.js";

/** Seconds that an expectation waits by default: long enough for a busy computer. */
const DEFAULT_WITHIN_SECONDS = 10;
/** The longest wait that a class accepts, with a margin for keep alive and the broker's check of it. */
const MAX_WITHIN_SECONDS = 120;
const MAX_TIMES = 1_000;
/** Each choice has a digit as its key. */
const MAX_CHOICES = 9;

export const text = z.string().trim().min(1, "this is empty");
/** Heads a column that is 14 wide. */
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
/** Adds the brackets with which the standard cites its clauses. */
export const clause = z
  .string()
  .regex(/^MQTT-\d+(\.\d+)*-\d+$/, "a clause is written like MQTT-3.1.2-8")
  .transform(cited => `[${cited}]`);
/** The name that `as` gives to an event. */
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
  .refine(given => Object.keys(given).length > 0, "there is nothing to compare with")
  .refine(
    given => given.same === undefined || Object.keys(given).length === 1,
    "same cannot be combined with others",
  );
const where = z
  .record(
    z.string(),
    z.union([scalar, comparison], {
      error: `compare with text, a number, true, false or null, or with a mapping of ${Object.keys(comparison.shape).join(", ")}`,
    }),
  )
  .default({});
export const patternSchema = z.strictObject({ event: eventName, where });
/** Bounds, in seconds, of the time since a captured event. */
const after = z
  .strictObject({ event: eventAlias, atLeast: z.number().optional(), atMost: z.number().optional() })
  .refine(
    ({ atLeast, atMost }) => atLeast !== undefined || atMost !== undefined,
    "say atLeast or atMost, in seconds",
  );

/** Splits a command line at blanks. No shell reads it, so that a word with blanks needs the form of a list. */
export const commandLine = z
  .union([z.string(), z.array(z.union([z.string(), z.number(), z.boolean()]))], {
    error: "write the command as on a command line, or as a list of words",
  })
  .transform((line, context) => {
    const [command = "", ...args] = typeof line === "string" ? line.trim().split(/\s+/) : line.map(String);
    const isQuoted = typeof line === "string" && /["'`]/.test(line);
    const stray = pathOutsideRun(args);
    if (isCommand(command) && !isQuoted && stray === null) return { command, args };
    const message = isQuoted
      ? "no shell reads the quotes: write a list, [pub-lwt, --message, two words]"
      : isCommand(command)
        ? `${stray} in a lesson names a file in the folder of the run, for example ${stray} mine`
        : `a lesson starts ${Object.keys(COMMANDS).join(", ")}, and nothing else`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** Each kind of step, by its key in the lesson file. */
export const stepSchemas = {
  /** Shows a text, and begins a new step of the story. */
  say: z.strictObject({ kind: z.literal("say"), say: text }),
  start: z.strictObject({
    kind: z.literal("start"),
    start: processName,
    run: commandLine,
    /** The exit code or crash with which the process may end by itself. Any other end fails the lesson. */
    exit: z.union([z.int().min(0).max(255), z.literal("crash")]).default(0),
  }),
  /** Stops the process gracefully, as the first Ctrl-C does, and waits for its end. */
  stop: z.strictObject({ kind: z.literal("stop"), stop: processName }),
  /** Sends SIGKILL, and waits for the end of the process. */
  kill: z.strictObject({ kind: z.literal("kill"), kill: processName }),
  /** Cuts the link between the process and its broker: no data passes, and no socket closes. */
  cut: z.strictObject({ kind: z.literal("cut"), cut: processName }),
  mend: z.strictObject({ kind: z.literal("mend"), mend: processName }),
  /** Resets the connection of the process to its broker, one of several, and refuses new ones to that broker. */
  failover: z.strictObject({ kind: z.literal("failover"), failover: processName }),
  /**
   * Waits for the next such event of the process, or for the next `times` events, after the event that its last
   * expectation found. With `never`, no such event may come before: a marker that did come proves the absence.
   */
  expect: z.strictObject({
    kind: z.literal("expect"),
    expect: eventName,
    from: processName,
    where,
    times: z.int().min(1).max(MAX_TIMES).default(1),
    never: patternSchema.optional(),
    /**
     * Leaves the step out if that process can't run here (the slide's code needs Python with paho-mqtt 1.x), or if
     * the optional event with that name did not come.
     */
    needs: text.optional(),
    within: z.number().positive().max(MAX_WITHIN_SECONDS).default(DEFAULT_WITHIN_SECONDS),
    /** The claim. Without a claim the lesson only waits. */
    what: text.optional(),
    clause: clause.optional(),
    /** Names the event for `same` and `after` in later steps. */
    as: eventAlias.optional(),
    after: after.optional(),
    /** The standard leaves the claim open: if it does not hold, the lesson reports that and goes on. */
    optional: z.boolean().default(false),
  }),
  /** Asks a question. The answer is shown at the end of the step. */
  predict: z.strictObject({
    kind: z.literal("predict"),
    predict: text,
    choices: z.array(text).min(2).max(MAX_CHOICES),
    /** Counts from 1. */
    answer: z.int().min(1),
    because: text,
  }),
};

const KINDS = Object.keys(stepSchemas);

export const stepSchema = z.preprocess(
  raw => (isMapping(raw) ? { ...raw, kind: KINDS.find(kind => Object.hasOwn(raw, kind)) } : raw),
  z.discriminatedUnion(
    "kind",
    [
      stepSchemas.say,
      stepSchemas.start,
      stepSchemas.stop,
      stepSchemas.kill,
      stepSchemas.cut,
      stepSchemas.mend,
      stepSchemas.failover,
      stepSchemas.expect,
      stepSchemas.predict,
    ],
    { error: `a step has one of the keys ${KINDS.join(", ")}` },
  ),
);

export type Step = z.output<typeof stepSchema>;
export type Steps = { [Kind in Step["kind"]]: Extract<Step, { kind: Kind }> };

/** Returns the process that a step acts on or listens to, or null. */
export function processIn(step: Step): string | null {
  if (step.kind === "say" || step.kind === "predict") return null;
  return step.kind === "expect" ? step.from : (Reflect.get(step, step.kind) as string);
}

function isMapping(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}
