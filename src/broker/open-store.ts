import path from "node:path";
import { errorEvent, isUserError, UserError } from "../errors.js";
import type { BrokerEvent } from "../events.js";
import { makeFolder } from "../journal/folder.js";
import { type DataSettings, DurableStore } from "./durable/durable-store.js";
import type { Pace } from "./pace.js";
import type { Store } from "./store.js";

/**
 * The store in that folder, which is made where there is none, and what there is to tell of what was found in it.
 * @throws UserError when it can't be used, is in use, or is damaged
 */
export async function openStore(
  { folder: given, sync }: DataSettings,
  pace: Pace,
): Promise<{ store: Store; found: BrokerEvent[] }> {
  const folder = path.resolve(given);
  try {
    await makeFolder(folder);
    const { store, recovered } = await DurableStore.open(
      { folder, sync },
      {
        trouble: error => pace.emit(error ? noRoom(folder, error) : roomAgain(folder)),
        damaged: error => pace.emit(errorEvent(error)),
      },
    );
    const { cut, ...counts } = recovered;
    const opened: BrokerEvent = { event: "store-opened", folder, ...counts };
    return { store, found: cut ? [opened, cutOff(cut.file, cut.bytes)] : [opened] };
  } catch (error) {
    throw isUserError(error) ? error : cantUse(folder, error as Error);
  }
}

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
