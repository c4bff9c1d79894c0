import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { env, platform } from "node:process";

const MOST_TRIED = 8;
/** Exits with 0 where the slide's lines can be run: version 2 refuses the first of them. */
const PROBE = "import sys, paho.mqtt as paho; sys.exit(not paho.__version__.startswith('1.'))";
/** Milliseconds that a Python may take to say so. */
const PATIENCE = 10_000;

/** A Python that has paho-mqtt 1.x; null where there is none. Not always is it the first on the path. */
export async function pythonWithPaho(): Promise<string | null> {
  const folders = (env["PATH"] ?? "").split(path.delimiter).filter(folder => folder !== "");
  const names = platform === "win32" ? ["python.exe"] : ["python3", "python"];
  const candidates = folders.flatMap(folder => names.map(name => path.join(folder, name)));
  for (const candidate of candidates.filter(file => existsSync(file)).slice(0, MOST_TRIED)) {
    // oxlint-disable-next-line no-await-in-loop -- the first that has it
    if (await succeeds(candidate, ["-c", PROBE])) return candidate;
  }
  return null;
}

async function succeeds(program: string, args: string[]): Promise<boolean> {
  const child = spawn(program, args, { stdio: "ignore", timeout: PATIENCE, windowsHide: true });
  const [code] = await once(child, "exit").catch(() => [null]);
  return code === 0;
}
