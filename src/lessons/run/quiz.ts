import type { LessonEvent, Sink } from "../../events/events.js";
import type { Steps } from "../language/step-schema.js";

/** Asks the people who watch a lesson. */
export interface LessonPrompts {
  /** Resolves when the next step may begin. */
  ready(): Promise<void>;
  /** Resolves to the number of the predicted choice, from 1, or to null. */
  guess(choices: number): Promise<number | null>;
}

/** Never waits. */
export const NO_PROMPTS: LessonPrompts = { ready: async () => {}, guess: async () => null };

/** Asks a lesson's questions, and reveals each answer at the end of its step. */
export class Quiz {
  #open: { step: Steps["predict"]; guess: number | null } | null = null;
  #guessed = 0;
  #right = 0;

  constructor(
    private readonly prompts: LessonPrompts,
    private readonly sink: Sink<LessonEvent>,
  ) {}

  get score(): { predictions: number; correctPredictions: number } {
    return { predictions: this.#guessed, correctPredictions: this.#right };
  }

  async ask(step: Steps["predict"]): Promise<void> {
    await this.reveal();
    await this.sink({ event: "prediction", question: step.predict, choices: step.choices });
    this.#open = { step, guess: await this.prompts.guess(step.choices.length) };
  }

  /** Reveals the answer to the last question, once. */
  async reveal(): Promise<void> {
    if (!this.#open) return;
    const { step, guess } = this.#open;
    this.#open = null;
    const { predict: question, choices, answer, because } = step;
    if (guess !== null) this.#guessed++;
    if (guess === answer) this.#right++;
    const choice = choices[answer - 1] ?? "";
    await this.sink({ event: "revealed", question, answer, choice, because, predicted: guess });
  }
}
