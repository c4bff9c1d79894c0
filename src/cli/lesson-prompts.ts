import type { RunContext } from "../clients/run-context.js";
import { pause } from "../util/abort.js";
import type { LessonEvent, Sink } from "../events/events.js";
import type { LessonPrompts } from "../lessons/lessons.js";

interface LessonPacing {
  /** Wait for a key before each step. */
  step: boolean;
  /** Ask for predictions. */
  quiz: boolean;
  /** Seconds to wait before each step. */
  pace: number;
}

const CONTINUE_KEYS = new Set([" ", "\r", "\n", null]);

/** Waits for the user's keys; without a keyboard, waits for nothing. */
export function lessonPrompts(
  { step, quiz, pace }: LessonPacing,
  { stop, key }: Pick<RunContext, "stop" | "key">,
  sink: Sink<LessonEvent>,
  leave: () => void,
): LessonPrompts {
  /** Resolves with the first of these keys, or with null for a key that continues. */
  const pressed = async (what: "step" | "prediction", wanted: string): Promise<string | null> => {
    await sink({ event: "waiting", for: what, again: false });
    let pressedKey = await key(true);
    while (
      pressedKey !== null &&
      !CONTINUE_KEYS.has(pressedKey) &&
      !wanted.includes(pressedKey) &&
      pressedKey !== "q"
    ) {
      if (pressedKey === "b") await sink({ event: "waiting", for: what, again: true });
      pressedKey = await key(false);
    }
    await sink({ event: "waiting", for: null, again: false });
    if (pressedKey === "q") leave();
    return pressedKey !== null && wanted.includes(pressedKey) ? pressedKey : null;
  };
  return {
    ready: async () => {
      if (pace > 0) await pause(pace * 1000, stop);
      if (step) await pressed("step", "");
    },
    predict: async choices => {
      if (!quiz && !step) return null;
      const numbers = Array.from({ length: quiz ? choices : 0 }, (_, i) => i + 1).join("");
      const one = await pressed(quiz ? "prediction" : "step", numbers);
      return one === null ? null : Number(one);
    },
  };
}
