import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import {
  type Authenticator,
  type ConnectCredentials,
  type Login,
  Refusal,
  type Permissions,
} from "./authenticator.js";
import { ReturnCode } from "../../protocol/return-codes.js";
import { shellQuote } from "../../util/shell-quote.js";
import { isUserError, usageError, type UserError } from "../../util/errors.js";
import { FileWatcher } from "./file-watcher.js";
import { decoyHash, verifyPassword, MAX_PASSWORD_BYTES } from "./password-hash.js";
import { permissionsFrom } from "./acl.js";
import { FairQueue } from "./fair-queue.js";
import { parseUsersFile, type UsersFile } from "./users-file.js";

export { MAX_PASSWORD_BYTES } from "./password-hash.js";
export { setPassword } from "./set-password.js";
export { userNameProblem } from "./users-file.js";

/** Concurrent hashes: half of Node's four threads, since the disk needs the others, and all but one processor. */
const MAX_HASHING = Math.min(2, Math.max(1, availableParallelism() - 1));
const MAX_WAITING = 2000;
const MAX_WAITING_OF_ADDRESS = 1000;
/** Characters of a user name that the log shows. */
const MAX_SHOWN_NAME = 40;

export interface UsersEvents {
  onRead(file: string, users: number, anonymous: boolean): void;
  /** Users or permissions may have changed. */
  onChanged(): void;
  /** The file is invalid. Its previous content remains in use. */
  onInvalid(error: UserError): void;
}

/** @throws UserError if the file cannot be read or is invalid */
export async function openUsers(given: string, events: UsersEvents): Promise<Authenticator> {
  const file = path.resolve(given);
  return new Users(file, await read(file), events);
}

async function read(file: string): Promise<UsersFile> {
  try {
    return parseUsersFile(file, await readFile(file, "utf8"));
  } catch (error) {
    if (isUserError(error)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw usageError(
      "users-file",
      `cannot read ${file}: ${code === "ENOENT" ? "there is no such file" : message}.`,
      `Create it with a user: npx lwt-broker passwd ${shellQuote(file)} USER`,
    );
  }
}

class Users implements Authenticator {
  #file: UsersFile;
  readonly #hashing = new FairQueue(MAX_HASHING, MAX_WAITING, MAX_WAITING_OF_ADDRESS);
  readonly #watcher: FileWatcher;
  /** By user, a keyed digest of the last correct password: a repeated login takes no scrypt. The key ends with the process. */
  readonly #recent = new Map<string, { proof: string; digest: Buffer }>();
  readonly #key = randomBytes(32);
  #decoy = decoyHash();

  constructor(
    private readonly path: string,
    file: UsersFile,
    private readonly events: UsersEvents,
  ) {
    this.#file = file;
    this.#use(file);
    this.#watcher = new FileWatcher(path, () => this.#reload());
  }

  report(): void {
    const { users, anonymous } = this.#file;
    this.events.onRead(this.path, users.size, anonymous !== null);
  }

  async logIn(
    { username, password, address }: ConnectCredentials,
    isConnected: () => boolean,
  ): Promise<Login> {
    if (username === undefined) return this.#anonymous();
    const shown = username.length > MAX_SHOWN_NAME ? `${username.slice(0, MAX_SHOWN_NAME)}…` : username;
    const given = password ?? Buffer.alloc(0);
    const known = this.#known(username, given);
    if (known) return known;
    if (given.length > MAX_PASSWORD_BYTES) throw wrong(`a password of ${given.length} bytes for "${shown}"`);
    const isRight = this.#hashing.enqueue(address, async () => {
      if (!isConnected() || this.#known(username, given)) return true;
      return this.#check(username, given);
    });
    if (!isRight) throw new Refusal(ReturnCode.serverUnavailable, "too many log-ins are waiting");
    if (!(await isRight))
      throw wrong(this.#file.users.has(username) ? `wrong password for "${shown}"` : `no user "${shown}"`);
    // Null if the file has changed meanwhile, or the client has disconnected.
    const login = this.#known(username, given);
    if (!login) throw wrong(`"${shown}" has another password now`);
    return login;
  }

  isValid({ user, proof }: Login): boolean {
    return user === null ? this.#file.anonymous !== null : this.#file.users.get(user)?.proof === proof;
  }

  permissionsOf(user: string | null, clientId: string): Permissions {
    const { users, everyone, anonymous } = this.#file;
    const account = user === null ? null : users.get(user);
    const rules = user === null ? anonymous : account && [...account.rules, ...everyone];
    return permissionsFrom(rules ?? [], user, clientId);
  }

  /** A session that was stored before --users belongs to the first user who resumes it. */
  mayResume(user: string | null, owner: string | null): boolean {
    return owner === null || owner === user;
  }

  close(): void {
    this.#watcher.close();
  }

  #anonymous(): Login {
    if (this.#file.anonymous) return { user: null, proof: null };
    throw new Refusal(ReturnCode.notAuthorized, "without a user name");
  }

  /** Takes as long for an unknown user. */
  async #check(username: string, password: Buffer): Promise<boolean> {
    const account = this.#file.users.get(username);
    const isRight = await verifyPassword(password, account?.hash ?? this.#decoy);
    if (!account || !isRight) return false;
    this.#recent.set(username, { proof: account.proof, digest: this.#digest(password) });
    return true;
  }

  /** Returns the login of an earlier check with this password, if it is still valid. */
  #known(user: string, password: Buffer): Login | null {
    const recent = this.#recent.get(user);
    if (!recent || !timingSafeEqual(recent.digest, this.#digest(password))) return null;
    const login = { user, proof: recent.proof };
    return this.isValid(login) ? login : null;
  }

  #digest(password: Buffer): Buffer {
    return createHmac("sha256", this.#key).update(password).digest();
  }

  async #reload(): Promise<void> {
    try {
      this.#use(await read(this.path));
      this.report();
      this.events.onChanged();
    } catch (error) {
      if (!isUserError(error)) throw error;
      this.events.onInvalid(error);
    }
  }

  #use(file: UsersFile): void {
    this.#file = file;
    const [first] = file.users.values();
    this.#decoy = decoyHash(first?.hash);
  }
}

const wrong = (why: string) => new Refusal(ReturnCode.badUserNameOrPassword, why);
