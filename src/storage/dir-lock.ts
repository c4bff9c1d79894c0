import { once } from "node:events";
import { realpath, rm } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import path from "node:path";
import { pid, platform } from "node:process";
import { UserError } from "../util/errors.js";

/** Whose folders they are, and the option that names one. */
export interface DirOwner {
  command: string;
  option: string;
}

/** Milliseconds that the owner may take to say who it is. */
const PATIENCE = 1000;

/**
 * Holds a folder for this process: a name that only one process can listen on. Node has no file locks; this one is free
 * as soon as its process is dead.
 * @returns what lets go of it
 * @param user whose it is: what it is called there, and by which option
 * @throws UserError `store-in-use`, with the process that has it
 */
export async function lockDir(folder: string, user: DirOwner): Promise<() => void> {
  const name = await nameFor(folder);
  const server = (await listening(name)) ?? (await takenOver(name));
  if (server) return () => server.close();
  const owner = await ownerOf(name);
  throw new UserError(
    "store-in-use",
    `${folder} is in use by another ${user.command}${owner === null ? "" : ` (process ${owner})`}.`,
    `Use that one, or give this one a folder of its own: ${user.option} ANOTHER.`,
  );
}

/** Where the system has names of sockets that are no files, one of these: of a dead process nothing is left then. */
async function nameFor(folder: string): Promise<string> {
  const { createHash } = await import("node:crypto"); // 4 ms, for who keeps nothing too
  const whole = await realpath(folder);
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 32);
  if (platform === "win32") return `\\\\.\\pipe\\mqtt-lwt-lab-${hash}`;
  return platform === "linux" ? `\0mqtt-lwt-lab-${hash}` : path.join(whole, "lock");
}

/** Null where the name is taken. Tells every visitor whose it is. */
async function listening(name: string): Promise<Server | null> {
  const server = createServer(visitor => visitor.on("error", () => {}).end(String(pid))).unref();
  server.listen(name);
  try {
    await once(server, "listening");
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return null;
    throw error;
  }
}

/** A socket that is a file stays when its process dies: nobody answers there. */
async function takenOver(name: string): Promise<Server | null> {
  if (!path.isAbsolute(name) || platform === "win32" || (await ownerOf(name)) !== null) return null;
  await rm(name, { force: true });
  return listening(name);
}

/** The process that listens there, as it says; null where none does. */
async function ownerOf(name: string): Promise<number | null> {
  const socket = createConnection(name)
    .setEncoding("utf8")
    .setTimeout(PATIENCE, () => socket.destroy());
  let said = "";
  socket.on("data", text => (said += String(text)));
  await once(socket, "close").catch(() => {});
  return Number(said) || null;
}
