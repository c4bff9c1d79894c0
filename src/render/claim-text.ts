import type { EventOf, LessonEvent } from "../events/events.js";
import { escapeText } from "./escape.js";
import { pad, wrapHard } from "./text-layout.js";

type Claim = EventOf<LessonEvent, "claim">;

/** Columns of a claim's number. */
const NUMBER_WIDTH = 6;

/** Renders the number and the sentence of a claim, for a legend. */
export const claimLine = ({ claim, sentence }: Omit<Claim, "event">, width: number): string =>
  wrapHard(pad(escapeText(claim), NUMBER_WIDTH) + escapeText(sentence), width, " ".repeat(NUMBER_WIDTH));
