import type { ReturnCode } from "../../protocol/return-codes.js";

/** What a CONNECT says of who it is from. */
export interface ConnectCredentials {
  username: string | undefined;
  password: Buffer | undefined;
  /** The IP address that it comes from. */
  address: string;
}

/** Who has logged in. */
export interface Login {
  /** Null: nobody in particular. */
  readonly user: string | null;
  /** What stands for the password that was right; another one has another. */
  readonly proof: string | null;
}

/** What somebody may do, under one client identifier. */
export interface Permissions {
  mayPublish: (topicName: string) => boolean;
  /** All that the filter matches; a topic name is a filter too. */
  maySubscribe: (topicFilter: string) => boolean;
}

/** Why a CONNECT is refused, in words for the log: its client sees the return code. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly returnCode: ReturnCode,
    why: string,
  ) {
    super(why);
  }
}

/** By name: the bundle of users has its own copy of the class. */
export const isRefusal = (error: Error): error is Refusal => error.name === "Refusal";

/** Who may come in, and what they may do. */
export interface Authenticator {
  /** @param isThere false when the client has gone meanwhile @throws Refusal */
  logIn(credentials: ConnectCredentials, isThere: () => boolean): Promise<Login>;
  /** Whether a login still holds: the user may be gone, or have another password. */
  isValid(login: Login): boolean;
  permissionsOf(user: string | null, clientId: string): Permissions;
  /** Whether a stored session of that owner is that user's to resume. */
  mayResume(user: string | null, owner: string | null): boolean;
  /** Of what it is made from. */
  report(): void;
  close(): void;
}

const EVERYTHING: Permissions = { mayPublish: () => true, maySubscribe: () => true };
/** Without a user name. */
export const ANONYMOUS: Login = { user: null, proof: null };

/** Without --users: anyone is nobody in particular, and may do everything. */
export const ALLOW_ALL: Authenticator = {
  logIn: async () => ANONYMOUS,
  isValid: () => true,
  permissionsOf: () => EVERYTHING,
  mayResume: () => true,
  report: () => {},
  close: () => {},
};
