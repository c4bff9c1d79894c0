import { access, constants, writeFile } from "node:fs/promises";
import { UserError } from "../util/errors.js";
import type { Event, Sink, Timed } from "../events/events.js";

/** A document that is made from events. */
interface EventDocument<E extends Event> {
  add(event: Timed<E>): void;
  text(): string;
}

/**
 * Writes a document of a run's events to a file, also when the run fails or is left.
 * @param kind for messages and error codes: "transcript"
 * @throws UserError before the run starts, if the file can't be written
 */
export async function writeDocument<E extends Event, Result>(
  { file, kind, example }: { file: string; kind: string; example: string },
  document: EventDocument<E>,
  sink: Sink<E>,
  run: (sink: Sink<E>) => Promise<Result>,
): Promise<Result> {
  const cantWrite = ({ code }: NodeJS.ErrnoException) => {
    const reason =
      code === "EISDIR" ? "it is a folder" : code === "ENOENT" ? "its folder does not exist" : code;
    const message = `cannot write the ${kind} ${file}: ${reason}.`;
    throw new UserError(kind, message, `Name a file in a folder that exists: ${example}`);
  };
  await access(file, constants.W_OK).catch(() => writeFile(file, "").catch(cantWrite));
  try {
    return await run(event => {
      document.add({ time: new Date().toISOString(), ...event });
      return sink(event);
    });
  } finally {
    await writeFile(file, document.text()).catch(cantWrite);
  }
}
