import path from "node:path";
import { isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { isReadableByOthers, makePrivateDir, readableByOthersWarning } from "../storage/private-dir.js";
import type { TornTail } from "../storage/journal.js";
import { DurableOutbox } from "./durable-outbox.js";

/**
 * A client's outbox in that folder, which is made where there is none. Tells what was found in it.
 * @throws UserError when it can't be used, is in use, is damaged, or is another client's
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
    if (cut) sink(cutOff(cut));
    if (await isReadableByOthers(folder)) sink(readableByOthersWarning(folder));
    return outbox;
  } catch (error) {
    throw isUserError(error) ? error : cantUse(folder, error as Error);
  }
}

const cantUse = (folder: string, error: Error) =>
  new UserError(
    "outbox-unusable",
    `no outbox can be kept in ${folder}: ${error.message}.`,
    "Give --outbox a folder that this user may write to.",
  );

const cutOff = ({ file, bytes }: TornTail): ClientEvent => ({
  event: "warning",
  code: "store-cut",
  message: `the last ${bytes} bytes of ${file} are a write that was cut short when pub-lwt died, and are dropped.`,
  hint: "No message of it had been sent; one that had just been acknowledged may be sent again.",
});

export type { DurableOutbox } from "./durable-outbox.js";
