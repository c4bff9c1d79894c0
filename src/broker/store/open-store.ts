import path from "node:path";
import { errorEvent, isUserError, UserError } from "../../util/errors.js";
import type { BrokerEvent } from "../../events/events.js";
import { isReadableByOthers, makePrivateDir, readableByOthersWarning } from "../../storage/private-dir.js";
import type { MissingBatches } from "../../storage/repair.js";
import { type DataSettings, JournaledStore } from "./journaled/journaled-store.js";
import type { EventThrottle } from "../event-throttle.js";
import type { Store } from "./store.js";

/**
 * The store in that folder, which is made where there is none, and what there is to tell of what was found in it.
 * @throws UserError when it can't be used, is in use, or is damaged
 */
export async function openStore(
  { folder: given, ...settings }: DataSettings,
  pace: EventThrottle,
): Promise<{ store: Store; found: BrokerEvent[] }> {
  const folder = path.resolve(given);
  try {
    await makePrivateDir(folder);
    const { store, recovered } = await JournaledStore.open(
      { folder, ...settings },
      {
        trouble: error => pace.emit(error ? noRoom(folder, error) : roomAgain(folder)),
        damaged: error => pace.emit(errorEvent(error)),
      },
    );
    const { cut, leftOut, mayMiss, nameless, ...counts } = recovered;
    const opened: BrokerEvent = { event: "store-opened", folder, ...counts };
    const found = [
      opened,
      ...leftOut.map(leftOutOf),
      ...(leftOut.length > 0 ? [salvaged(mayMiss, nameless)] : []),
      ...((await isReadableByOthers(folder)) ? [readableByOthersWarning(folder)] : []),
    ];
    return { store, found: cut ? [...found, cutOff(cut.file, cut.bytes)] : found };
  } catch (error) {
    if (!isUserError(error)) throw cantUse(folder, error as Error);
    throw error.code === "store-damaged" ? canBeSalvaged(error) : error;
  }
}

const canBeSalvaged = ({ code, message }: UserError) =>
  new UserError(
    code,
    message,
    "Put back a copy of the folder, or start with --salvage: it keeps what can be read, and names the rest.",
  );

const cantUse = (folder: string, error: Error) =>
  new UserError(
    "store-unusable",
    `the broker can't keep its data in ${folder}: ${error.message}.`,
    "Give --data a folder that this user may write to, or leave it away to keep everything in memory.",
  );

const noRoom = (folder: string, error: Error): BrokerEvent => ({
  event: "warning",
  code: "store-full",
  message: `nothing more can be kept in ${folder}: ${error.message}.`,
  hint: "Until there is room, who publishes what would have to be kept is disconnected without an acknowledgment.",
});

const roomAgain = (folder: string): BrokerEvent => ({
  event: "warning",
  code: "store-room-again",
  message: `there is room in ${folder} again.`,
  hint: "Messages are kept and acknowledged as before.",
});

const cutOff = (file: string, bytes: number): BrokerEvent => ({
  event: "warning",
  code: "store-cut",
  message: `the last ${bytes} bytes of ${file} are a write that was cut short when the broker died, and are dropped.`,
  hint: "Nothing of it had been acknowledged: those who published it send it again.",
});

const leftOutOf = ({ file, from, to, what }: MissingBatches): BrokerEvent => ({
  event: "warning",
  code: "store-left-out",
  message: `left out of ${file}, ${from === to ? `before byte ${from}` : `bytes ${from} to ${to - 1}`}: ${what}.`,
  hint: `The file as it was is kept beside it, as damaged-N-${path.basename(file)}.`,
});

/** Clients that are named at most. */
const MOST_NAMED = 10;

function salvaged(mayMiss: string[], nameless: number): BrokerEvent {
  const more = mayMiss.length > MOST_NAMED ? ` and ${mayMiss.length - MOST_NAMED} more` : "";
  const who = mayMiss.slice(0, MOST_NAMED).join(", ") + more;
  const whom = who ? `to ${who}` : "though no session with a subscription is left";
  const gone =
    nameless > 0 ? ` Gone: ${nameless} of the sessions, whose clients are not known any more.` : "";
  return {
    event: "warning",
    code: "store-salvaged",
    message: `messages that were acknowledged may be missing, ${whom}.${gone}`,
    hint: "What had been acknowledged by a subscriber may come again, also at QoS 2.",
  };
}
