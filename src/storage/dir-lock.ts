import { once } from "node:events";
import { realpath, rm } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import path from "node:path";
import { pid, platform } from "node:process";
import { UserError } from "../util/errors.js";

/** The program that uses a folder, and its option that names the folder. */
export interface DirUser {
  command: string;
  option: string;
}

/** Milliseconds that the owner has to send its process ID. */
const OWNER_TIMEOUT_MS = 1000;

/**
 * Locks a folder for this process, which listens on a name that only one process can use. Node has no file locks. The
 * system frees this one when the process ends.
 * @returns the function that unlocks the folder
 * @throws UserError `store-in-use`, with the process that has locked it
 */
export async function lockDir(folder: string, user: DirUser): Promise<() => void> {
  const name = await nameFor(folder);
  const server = (await listenOn(name)) ?? (await takeOver(name));
  if (server) return () => server.close();
  const owner = await ownerOf(name);
  throw new UserError(
    "store-in-use",
    `${folder} is in use by another ${user.command}${owner === null ? "" : ` (process ${owner})`}.`,
    `Use that one, or name another folder: ${user.option} ANOTHER`,
  );
}

/** Returns a socket name that is no file if the system has such names: it ends with its process. */
async function nameFor(folder: string): Promise<string> {
  const { createHash } = await import("node:crypto"); // takes 4 ms to load
  const whole = await realpath(folder);
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 32);
  if (platform === "win32") return `\\\\.\\pipe\\mqtt-lwt-lab-${hash}`;
  return platform === "linux" ? `\0mqtt-lwt-lab-${hash}` : path.join(whole, "lock");
}

/** Listens on the name, and sends the process ID to each client. Returns null if the name is in use. */
async function listenOn(name: string): Promise<Server | null> {
  const server = createServer(client => client.on("error", () => {}).end(String(pid))).unref();
  server.listen(name);
  try {
    await once(server, "listening");
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return null;
    throw error;
  }
}

/** Replaces a socket file that a dead process has left: no process answers there. */
async function takeOver(name: string): Promise<Server | null> {
  if (!path.isAbsolute(name) || platform === "win32" || (await ownerOf(name)) !== null) return null;
  await rm(name, { force: true });
  return listenOn(name);
}

/** Returns the ID of the process that listens there, or null. */
async function ownerOf(name: string): Promise<number | null> {
  const socket = createConnection(name)
    .setEncoding("utf8")
    .setTimeout(OWNER_TIMEOUT_MS, () => socket.destroy());
  let answer = "";
  socket.on("data", text => (answer += String(text)));
  await once(socket, "close").catch(() => {});
  return Number(answer) || null;
}
