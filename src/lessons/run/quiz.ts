import type { LessonEvent, Sink } from "../../events/events.js";
import type { Steps } from "../language/step-schema.js";

/** Asks the people who watch a lesson. */
export interface LessonPrompts {
  /** Resolves when the next step may begin. */
  ready(): Promise<void>;
  /** Resolves to the number of the predicted choice, from 1, or to null. */
  predict(choices: number): Promise<number | null>;
}

/** Never waits. */
export const NO_PROMPTS: LessonPrompts = { ready: async () => {}, predict: async () => null };

/** Asks a lesson's questions, and reveals each answer at the end of its step. */
export class Quiz {
  #open: { step: Steps["predict"]; predicted: number | null } | null = null;
  #predictions = 0;
  #correctPredictions = 0;

  constructor(
    private readonly prompts: LessonPrompts,
    private readonly sink: Sink<LessonEvent>,
  ) {}

  get score(): { predictions: number; correctPredictions: number } {
    return { predictions: this.#predictions, correctPredictions: this.#correctPredictions };
  }

  async ask(step: Steps["predict"]): Promise<void> {
    await this.reveal();
    await this.sink({ event: "prediction", question: step.predict, choices: step.choices });
    this.#open = { step, predicted: await this.prompts.predict(step.choices.length) };
  }

  /** Reveals the answer to the last question, once. */
  async reveal(): Promise<void> {
    if (!this.#open) return;
    const { step, predicted } = this.#open;
    this.#open = null;
    const { predict: question, choices, answer, because } = step;
    if (predicted !== null) this.#predictions++;
    if (predicted === answer) this.#correctPredictions++;
    const choice = choices[answer - 1] ?? "";
    await this.sink({ event: "revealed", question, answer, choice, because, predicted });
  }
}
