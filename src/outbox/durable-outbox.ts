import type { OutboxMessage, Outbox } from "./outbox.js";
import { UserError } from "../util/errors.js";
import { lockDir } from "../storage/dir-lock.js";
import { type TornTail, Journal } from "../storage/journal.js";
import { RESERVE_BYTES } from "../storage/disk-reserve.js";
import { OutboxReplay, writeChange, writeKept, writeOwner } from "./outbox-records.js";

const USER = { command: "pub-lwt", option: "--outbox" };
/** Messages that may wait. */
const MOST = 10_000;
/** Bytes of files that are not worth tidying. */
const UNTIDY = 1024 * 1024;
/** Bytes of a record beside its topic and its payload, about. */
const OVERHEAD = 16;

const bytesOf = ({ topic, payload }: OutboxMessage) => OVERHEAD + topic.length + payload.length;

interface Opened {
  outbox: DurableOutbox;
  /** What the last process has not written to the end. */
  cut: TornTail | null;
}

/** An outbox in a folder: what has been kept there is there after a power cut too. One process at a time has it. */
export class DurableOutbox implements Outbox {
  readonly waiting: Map<number, OutboxMessage>;
  readonly #clientId: string;
  readonly #journal: Journal;
  readonly #unlock: () => void;
  /** Of what waits, were it written once. */
  #bytes = 0;
  #tidying: Promise<void> | null = null;

  private constructor(
    readonly folder: string,
    clientId: string,
    replay: OutboxReplay,
    journal: Journal,
    unlock: () => void,
  ) {
    this.#clientId = clientId;
    this.waiting = replay.waiting;
    this.#journal = journal;
    this.#unlock = unlock;
    for (const message of this.waiting.values()) this.#bytes += bytesOf(message);
    if (replay.clientId === null) journal.keep(to => writeOwner(to, clientId));
    journal.onWritten = () => {
      if (this.#isUntidy) this.#tidying ??= this.#tidy();
    };
  }

  /**
   * @throws UserError `store-in-use`, `store-damaged`, `store-format` or `outbox-of-another`; the system's Error where
   * the folder can't be used
   */
  static async open(folder: string, clientId: string): Promise<Opened> {
    const unlock = await lockDir(folder, USER);
    try {
      return await DurableOutbox.#openLocked(folder, clientId, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  static async #openLocked(folder: string, clientId: string, unlock: () => void): Promise<Opened> {
    const replay = new OutboxReplay();
    // That the disk is full, who keeps something is told.
    const settings = { folder, sync: "disk", option: USER.option, trouble: () => {} } as const;
    const { journal, cut } = await Journal.open(settings, records => replay.read(records));
    if (replay.clientId !== null && replay.clientId !== clientId) {
      await journal.close();
      throw ofAnother(folder, replay.clientId, clientId);
    }
    const outbox = new DurableOutbox(folder, clientId, replay, journal, unlock);
    if (!journal.isFull || !outbox.#isUntidy) return { outbox, cut };
    await outbox.#tidy();
    if (outbox.#isUntidy) return { outbox, cut };
    await journal.close(); // what room there is now is looked for when it is opened
    return DurableOutbox.#openLocked(folder, clientId, unlock);
  }

  get isFull(): boolean {
    return this.waiting.size >= MOST;
  }

  keep(message: OutboxMessage, settle: (error: Error | null) => void): void {
    this.waiting.set(message.packetId, message);
    this.#bytes += bytesOf(message);
    this.#journal.offer(
      to => writeKept(to, message),
      error => {
        if (!error) return settle(null);
        this.#remove(message);
        settle(noRoom(this.folder, error));
      },
    );
  }

  release(packetId: number, safe: () => void): void {
    const message = this.waiting.get(packetId);
    if (message) message.released = true;
    this.#journal.keep(to => writeChange(to, "released", packetId), safe);
  }

  restart(safe: () => void): void {
    const released = [...this.waiting.values()].filter(message => message.released);
    if (released.length === 0) return safe();
    for (const message of released) {
      message.released = false;
      this.#journal.keep(to => writeChange(to, "restarted", message.packetId));
    }
    this.#journal.whenKept(safe);
  }

  acknowledged(packetId: number): void {
    const message = this.waiting.get(packetId);
    if (!message) return;
    this.#remove(message);
    this.#journal.keepSoon(to => writeChange(to, "acknowledged", packetId));
  }

  /** Kept when all that has happened so far is on disk. */
  recorded(): Promise<void> {
    return new Promise(resolve => this.#journal.keep(() => {}, resolve));
  }

  async close(): Promise<void> {
    this.#journal.onWritten = () => {};
    await this.#tidying;
    await this.#journal.close();
    this.#unlock();
  }

  #remove(message: OutboxMessage): void {
    this.waiting.delete(message.packetId);
    this.#bytes -= bytesOf(message);
  }

  /** Less than half of the files is needed; on a full disk every byte counts, and only little can be written again. */
  get #isUntidy(): boolean {
    const { bytes, isFull } = this.#journal;
    return isFull
      ? this.#bytes <= RESERVE_BYTES && bytes > 2 * RESERVE_BYTES
      : bytes > 2 * this.#bytes + UNTIDY;
  }

  /** Writes what waits again, in one batch that is there or is not: what is in older files is not needed then. */
  async #tidy(): Promise<void> {
    try {
      if (!(await this.#journal.readOldest(() => {}))) return; // of which there is one now
      const old = this.#journal.files - 1;
      if (await this.#writeAgain()) for (let i = 0; i < old; i++) await this.#journal.removeOldest();
    } catch {
      // What can't be removed stays, which is no harm.
    } finally {
      this.#tidying = null;
    }
  }

  /** @returns false where there is no room for it: then the old files stay */
  #writeAgain(): Promise<boolean> {
    return new Promise(resolve =>
      this.#journal.attempt(
        to => {
          writeOwner(to, this.#clientId);
          for (const message of this.waiting.values()) writeKept(to, message);
        },
        error => resolve(error === null),
      ),
    );
  }
}

const ofAnother = (folder: string, owner: string, clientId: string) =>
  new UserError(
    "outbox-of-another",
    `${folder} is the outbox of the client "${owner}", and this one is "${clientId}".`,
    `Send what waits there with --client-id ${owner}, or give this one a folder of its own: --outbox ANOTHER.`,
  );

const noRoom = (folder: string, error: Error) =>
  new UserError(
    "outbox-no-room",
    `a message can't be kept in ${folder}, and was not sent: ${error.message}.`,
    "Make room on that disk, then start again with the same --outbox: what is kept there is sent first.",
  );
