import { scryptSync } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext } from "node:test";
import type { Event } from "../../src/events/events.js";
import { lwtBroker, type Running, temporaryFolder, type TestBroker } from "./processes.js";
import { type ConnectOptions, RawClient } from "./raw-client.js";

export const SECRET = "correct horse";

/** Hashes cheaply, since a test need not be safe. */
export function hash(password: string): string {
  const salt = Buffer.alloc(16, password);
  const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  const key = scryptSync(password, salt, 32, { N: 16, r: 8, p: 1 });
  return `$scrypt$ln=4,r=8,p=1$${base64(salt)}$${base64(key)}`;
}

export const line = (user: string, password = SECRET) => `${user}:${hash(password)}`;

interface UsersBroker extends TestBroker {
  file: string;
  connect(user: string | null, clientId: string, more?: Omit<ConnectOptions, "clientId">): Promise<RawClient>;
  /** The return code of CONNACK. */
  returnCode(options: ConnectOptions): Promise<number>;
  /** Replaces the users file, and resolves when the broker has read it. */
  change(...lines: string[]): Promise<void>;
}

export const write = (file: string, lines: string[]) => writeFileSync(file, `${lines.join("\n")}\n`);

export const login = (user: string | null) => (user === null ? {} : { userName: user, password: SECRET });

export async function usersBroker(t: TestContext, lines: string[], ...args: string[]): Promise<UsersBroker> {
  const file = path.join(temporaryFolder(t), "users.txt");
  write(file, lines);
  return startOn(t, file, ...args);
}

export async function startOn(t: TestContext, file: string, ...args: string[]): Promise<UsersBroker> {
  const broker = await lwtBroker(t, "--users", file, ...args);
  const { port, process } = broker;
  const times = () => process.all("users-read").length + process.all("warning").length;
  return {
    ...broker,
    file,
    connect: (user, clientId, more = {}) => RawClient.connect(t, port, { clientId, ...login(user), ...more }),
    returnCode: async options => (await RawClient.start(t, port, options).connack()).returnCode,
    change: async (...lines) => {
      const before = times();
      write(`${file}.new`, lines);
      renameSync(`${file}.new`, file); // as editors do
      await process.waitFor("reading of users", () => (times() > before ? true : undefined));
    },
  };
}

type Fields<Name extends Event["event"]> = Partial<Extract<Event, { event: Name }>>;

export const told = <Name extends Event["event"]>(process: Running, name: Name, where: Fields<Name>) =>
  process.event(name, where);
