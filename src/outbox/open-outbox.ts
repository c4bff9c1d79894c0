import path from "node:path";
import { isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { isWritableByOthers, makePrivateDir, writableByOthersWarning } from "../storage/private-dir.js";
import type { TornTail } from "../storage/journal.js";
import { DurableOutbox } from "./durable-outbox.js";

/**
 * Opens a client's outbox in that folder, which is created if needed, and emits events about its content.
 * @throws UserError if the folder cannot be used, is in use, is damaged, or belongs to another client
 */
export async function openOutbox(
  given: string,
  clientId: string,
  sink: Sink<ClientEvent>,
): Promise<DurableOutbox> {
  const folder = path.resolve(given);
  try {
    await makePrivateDir(folder);
    const { outbox, cut } = await DurableOutbox.open(folder, clientId);
    sink({ event: "outbox-opened", folder, messages: outbox.waiting.size });
    if (cut) sink(storeCut(cut));
    if (await isWritableByOthers(folder)) sink(writableByOthersWarning(folder));
    return outbox;
  } catch (error) {
    throw isUserError(error) ? error : unusable(folder, error as Error);
  }
}

const unusable = (folder: string, error: Error) =>
  new UserError(
    "outbox-unusable",
    `cannot use ${folder} as an outbox: ${error.message}.`,
    "Name a folder that this user may write to: --outbox DIR",
  );

const storeCut = ({ file, bytes }: TornTail): ClientEvent => ({
  event: "warning",
  code: "store-cut",
  message: `the last ${bytes} bytes of ${file} were not completely written when pub-lwt ended, and are dropped.`,
  hint: "Nothing to do: these messages were not sent. A message that was just acknowledged may be sent again.",
});

export type { DurableOutbox } from "./durable-outbox.js";
