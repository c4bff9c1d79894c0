import { readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";

export interface PortOwner {
  pid: number;
  /** The program without its folder and arguments. */
  name: string;
}

/** The state "listening" in Linux's socket tables. */
const LISTENING = "0A";

/** Returns the process that listens on a TCP port of this computer. Linux shows the user's own processes. */
export async function portOwner(port: number): Promise<PortOwner | null> {
  const tables = await Promise.all(["tcp", "tcp6"].map(table => readText(`/proc/net/${table}`)));
  const inodes = new Set(tables.flatMap(table => table.split("\n").flatMap(line => inodeOf(line, port))));
  if (inodes.size === 0) return null;
  const pids = (await readdir("/proc")).filter(name => /^\d+$/.test(name));
  const owns = await Promise.all(pids.map(pid => ownsSocket(pid, inodes)));
  const pid = pids[owns.indexOf(true)];
  return pid === undefined ? null : { pid: Number(pid), name: await nameOf(pid) };
}

const readText = (file: string) => readFile(file, "utf8").catch(() => "");

/** Returns the inode of a line about that port: `sl local_address rem_address st … inode …`. */
function inodeOf(line: string, port: number): string[] {
  const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
  const isMatch = state === LISTENING && Number.parseInt(local.split(":")[1] ?? "", 16) === port;
  return isMatch ? [inode] : [];
}

async function ownsSocket(pid: string, inodes: Set<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const files = await readdir(folder).catch(() => []);
  const targets = await Promise.all(files.map(file => readlink(path.join(folder, file)).catch(() => "")));
  return targets.some(target => inodes.has(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? ""));
}

/** Returns the name of the program or of its script. The other arguments are not read: they may hold passwords. */
async function nameOf(pid: string): Promise<string> {
  const [program = "", script = ""] = (await readText(`/proc/${pid}/cmdline`)).split("\0");
  const name = path.basename(program);
  return /^(node|python[\d.]*)$/.test(name) && script ? path.parse(script).name : name || "a program";
}
