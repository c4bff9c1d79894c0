import { readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";

export interface PortOwner {
  pid: number;
  /** Of the program, without its folder and arguments. */
  name: string;
}

/** State 0A of Linux's socket tables. */
const LISTENING = "0A";

/** The process that listens on a TCP port of this computer, where the system tells: Linux does, of one's own ones. */
export async function portOwner(port: number): Promise<PortOwner | null> {
  const tables = await Promise.all(["tcp", "tcp6"].map(table => textOf(`/proc/net/${table}`)));
  const inodes = new Set(tables.flatMap(table => table.split("\n").flatMap(line => inodeOf(line, port))));
  if (inodes.size === 0) return null;
  const pids = (await readdir("/proc")).filter(name => /^\d+$/.test(name));
  const holds = await Promise.all(pids.map(pid => holdsOne(pid, inodes)));
  const pid = pids[holds.indexOf(true)];
  return pid === undefined ? null : { pid: Number(pid), name: await nameOf(pid) };
}

const textOf = (file: string) => readFile(file, "utf8").catch(() => "");

/** Of a table's line that is about that port: `sl local_address rem_address st … inode …`. */
function inodeOf(line: string, port: number): string[] {
  const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
  const isThat = state === LISTENING && Number.parseInt(local.split(":")[1] ?? "", 16) === port;
  return isThat ? [inode] : [];
}

async function holdsOne(pid: string, inodes: Set<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const files = await readdir(folder).catch(() => []);
  const targets = await Promise.all(files.map(file => readlink(path.join(folder, file)).catch(() => "")));
  return targets.some(target => inodes.has(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? ""));
}

/** Of a script, the script's own name. What follows is not read: it may hold passwords. */
async function nameOf(pid: string): Promise<string> {
  const [program = "", script = ""] = (await textOf(`/proc/${pid}/cmdline`)).split("\0");
  const name = path.basename(program);
  return /^(node|python[\d.]*)$/.test(name) && script ? path.parse(script).name : name || "a program";
}
