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
import { isUserError, usageError, type UserError } from "../../util/errors.js";
import { FileWatcher } from "./file-watcher.js";
import { decoyHash, verifyPassword, MAX_PASSWORD_BYTES } from "./password-hash.js";
import { permissionsFrom } from "./acl.js";
import { FairQueue } from "./fair-queue.js";
import { parseUsersFile, type UsersFile } from "./users-file.js";

export { MAX_PASSWORD_BYTES } from "./password-hash.js";
export { setPassword } from "./set-password.js";
export { userNameProblem } from "./users-file.js";

/** Passwords that are hashed at once: half of Node's four threads at the most, for the disk needs some; and one processor stays free. */
const AT_ONCE = Math.min(2, Math.max(1, availableParallelism() - 1));
/** Log-ins that may wait, of all and of one address. */
const MOST_WAITING = 2000;
const MOST_WAITING_OF_ONE = 1000;
/** Characters of a user name that the log repeats. */
const LONGEST_SHOWN = 40;

/** Told what becomes of the file. */
export interface UsersEvents {
  /** It has been read. */
  onRead(file: string, users: number, anonymous: boolean): void;
  /** Others may come in, or do other things. */
  onChanged(): void;
  /** It is no good: what it was before holds. */
  onInvalid(error: UserError): void;
}

/** @throws UserError when the file can't be read, or something in it is wrong */
export async function openUsers(given: string, witness: UsersEvents): Promise<Authenticator> {
  const file = path.resolve(given);
  return new Users(file, await read(file), witness);
}

async function read(file: string): Promise<UsersFile> {
  try {
    return parseUsersFile(file, await readFile(file, "utf8"));
  } catch (error) {
    if (isUserError(error)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw usageError(
      "users-file",
      `${file} can't be read: ${code === "ENOENT" ? "there is no such file" : message}.`,
      `npx lwt-broker passwd ${file} USER makes it, and adds a user.`,
    );
  }
}

class Users implements Authenticator {
  #file: UsersFile;
  readonly #turns = new FairQueue(AT_ONCE, MOST_WAITING, MOST_WAITING_OF_ONE);
  readonly #watch: FileWatcher;
  /** By user, what their last right password was, under a key that ends with this process: to check it again is quick. */
  readonly #recent = new Map<string, { proof: string; digest: Buffer }>();
  readonly #key = randomBytes(32);
  #decoy = decoyHash();

  constructor(
    private readonly path: string,
    file: UsersFile,
    private readonly witness: UsersEvents,
  ) {
    this.#file = file;
    this.#use(file);
    this.#watch = new FileWatcher(path, () => this.#reload());
  }

  report(): void {
    const { users, anonymous } = this.#file;
    this.witness.onRead(this.path, users.size, anonymous !== null);
  }

  async logIn({ username, password, address }: ConnectCredentials, isThere: () => boolean): Promise<Login> {
    if (username === undefined) return this.#anonymous();
    const shown = username.length > LONGEST_SHOWN ? `${username.slice(0, LONGEST_SHOWN)}…` : username;
    const given = password ?? Buffer.alloc(0);
    const known = this.#known(username, given);
    if (known) return known;
    if (given.length > MAX_PASSWORD_BYTES) throw wrong(`a password of ${given.length} bytes for "${shown}"`);
    const isRight = this.#turns.enqueue(address, async () => {
      if (!isThere() || this.#known(username, given)) return true;
      return this.#check(username, given);
    });
    if (!isRight) throw new Refusal(ReturnCode.serverUnavailable, "too many log-ins wait");
    if (!(await isRight))
      throw wrong(this.#file.users.has(username) ? `wrong password for "${shown}"` : `no user "${shown}"`);
    // Null where the file has changed meanwhile, or the client is gone.
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
    const rights = user === null ? anonymous : account && [...account.rights, ...everyone];
    return permissionsFrom(rights ?? [], user, clientId);
  }

  /** What was stored before there were users is the first one's who asks for it. */
  mayResume(user: string | null, owner: string | null): boolean {
    return owner === null || owner === user;
  }

  close(): void {
    this.#watch.close();
  }

  #anonymous(): Login {
    if (this.#file.anonymous) return { user: null, proof: null };
    throw new Refusal(ReturnCode.notAuthorized, "without a user name");
  }

  /** Takes as long for a user that there isn't. */
  async #check(username: string, password: Buffer): Promise<boolean> {
    const account = this.#file.users.get(username);
    const isRight = await verifyPassword(password, account?.hash ?? this.#decoy);
    if (!account || !isRight) return false;
    this.#recent.set(username, { proof: account.proof, digest: this.#digest(password) });
    return true;
  }

  /** Who has logged in so before, while it holds. */
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
      this.witness.onChanged();
    } catch (error) {
      if (!isUserError(error)) throw error;
      this.witness.onInvalid(error);
    }
  }

  #use(file: UsersFile): void {
    this.#file = file;
    const [first] = file.users.values();
    this.#decoy = decoyHash(first?.hash);
  }
}

const wrong = (why: string) => new Refusal(ReturnCode.badUserNameOrPassword, why);
