import type { ReturnCode } from "../../protocol/return-codes.js";

/** The credentials of a CONNECT. */
export interface ConnectCredentials {
  username: string | undefined;
  password: Buffer | undefined;
  /** The IP address of the client. */
  address: string;
}

export interface Login {
  /** Null for an anonymous client. */
  readonly user: string | null;
  /** Identifies the password: a changed password has another proof. */
  readonly proof: string | null;
}

/** The rights of a user with one client ID. */
export interface Permissions {
  mayPublish: (topicName: string) => boolean;
  /** Whether the client may receive all that the filter matches. A topic name is a filter, too. */
  maySubscribe: (topicFilter: string) => boolean;
}

/** A refused CONNECT. The log shows the reason, the client receives the return code. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly returnCode: ReturnCode,
    why: string,
  ) {
    super(why);
  }
}

/** Compares the name: the bundle of users has its own copy of the class. */
export const isRefusal = (error: Error): error is Refusal => error.name === "Refusal";

/** Checks credentials and permissions. */
export interface Authenticator {
  /** @param isConnected false if the client has disconnected meanwhile @throws Refusal */
  logIn(credentials: ConnectCredentials, isConnected: () => boolean): Promise<Login>;
  /** Whether the user still exists and has the same password. */
  isValid(login: Login): boolean;
  permissionsOf(user: string | null, clientId: string): Permissions;
  /** Whether that user may resume a stored session of that owner. */
  mayResume(user: string | null, owner: string | null): boolean;
  /** Emits the events about the file of users. */
  report(): void;
  close(): void;
}

const EVERYTHING: Permissions = { mayPublish: () => true, maySubscribe: () => true };
export const ANONYMOUS: Login = { user: null, proof: null };

/** Without --users: every client is anonymous and may do everything. */
export const ALLOW_ALL: Authenticator = {
  logIn: async () => ANONYMOUS,
  isValid: () => true,
  permissionsOf: () => EVERYTHING,
  mayResume: () => true,
  report: () => {},
  close: () => {},
};
