import type { LessonEvent, Sink } from "../../events/events.js";
import type { Steps } from "../language/lesson-schema.js";

/** Who watches a lesson, and may be waited for. */
export interface LessonPrompts {
  /** Kept when the next step may begin. */
  ready(): Promise<void>;
  /** The number of the choice that they predict, from 1; null: none. */
  guess(choices: number): Promise<number | null>;
}

/** Nobody is waited for. */
export const NO_PROMPTS: LessonPrompts = { ready: async () => {}, guess: async () => null };

/** Questions to the audience: each is answered when its step is over. */
export class Quiz {
  #open: { step: Steps["predict"]; guess: number | null } | null = null;
  #guessed = 0;
  #right = 0;

  constructor(
    private readonly audience: LessonPrompts,
    private readonly sink: Sink<LessonEvent>,
  ) {}

  get score(): { predictions: number; correctPredictions: number } {
    return { predictions: this.#guessed, correctPredictions: this.#right };
  }

  async ask(step: Steps["predict"]): Promise<void> {
    await this.reveal();
    await this.sink({ event: "prediction", question: step.predict, choices: step.choices });
    this.#open = { step, guess: await this.audience.guess(step.choices.length) };
  }

  /** The answer to the last question, if it is still to be told. */
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
