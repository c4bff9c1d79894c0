import type { RunContext } from "../clients/run-context.js";
import { pause } from "../util/abort.js";
import type { LessonEvent, Sink } from "../events/events.js";
import type { LessonPrompts } from "../lessons/lessons.js";

interface Manner {
  /** Wait for a key before each step. */
  step: boolean;
  /** Ask for predictions. */
  quiz: boolean;
  /** Seconds to wait before each step. */
  pace: number;
}

const GO_ON = new Set([" ", "\r", "\n", null]);

/** Who sits at the keyboard; where there is none, nobody is waited for. */
export function lessonPrompts(
  { step, quiz, pace }: Manner,
  { stop, key }: Pick<RunContext, "stop" | "key">,
  sink: Sink<LessonEvent>,
  leave: () => void,
): LessonPrompts {
  /** @returns the first of these keys; null: something else that goes on */
  const pressed = async (what: "step" | "prediction", wanted: string): Promise<string | null> => {
    await sink({ event: "waiting", for: what, again: false });
    let one = await key(true);
    while (one !== null && !GO_ON.has(one) && !wanted.includes(one) && one !== "q") {
      if (one === "b") await sink({ event: "waiting", for: what, again: true });
      one = await key(false);
    }
    await sink({ event: "waiting", for: null, again: false });
    if (one === "q") leave();
    return one !== null && wanted.includes(one) ? one : null;
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
