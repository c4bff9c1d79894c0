import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import type { LessonEvent } from "../events/events.js";

export type ClaimEvent = Extract<LessonEvent, { event: "claim" }>;

/** The claims of the course's slides, in their order, each with its sentence. */
export class Claims {
  private constructor(private readonly sentences: ReadonlyMap<string, string>) {}

  /** Loads the list beside the lessons. */
  static async load(folder: string): Promise<Claims> {
    const text = await readFile(path.join(folder, "claims.yaml"), "utf8");
    return new Claims(new Map(Object.entries(z.record(z.string(), z.string()).parse(parse(text)))));
  }

  /** Returns an event for each claim that one of these lessons cites. A lesson can cite others, which have no sentence. */
  eventsOf(lessons: readonly { claims: string[] }[]): ClaimEvent[] {
    return [...this.sentences]
      .filter(([claim]) => lessons.some(({ claims }) => claims.includes(claim)))
      .map(([claim, sentence]) => ({ event: "claim", claim, sentence }));
  }
}
