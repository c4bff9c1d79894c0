import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { env, platform } from "node:process";

const MAX_CANDIDATES = 8;
/** Exits with 0 if the slide's code can run. Version 2 of paho-mqtt refuses its first line. */
const PROBE = "import sys, paho.mqtt as paho; sys.exit(not paho.__version__.startswith('1.'))";
const PROBE_TIMEOUT_MS = 10_000;

export const NO_PAHO = {
  code: "no-paho",
  message: "there is no Python with paho-mqtt 1.x, so its part is left out.",
  hint: 'To see it: pip install "paho-mqtt<2", and run the lesson again.',
};

/** Finds the first Python on the path that has paho-mqtt 1.x. Resolves to null if there is none. */
export async function pythonWithPaho(): Promise<string | null> {
  const folders = (env["PATH"] ?? "").split(path.delimiter).filter(folder => folder !== "");
  const names = platform === "win32" ? ["python.exe"] : ["python3", "python"];
  const candidates = folders.flatMap(folder => names.map(name => path.join(folder, name)));
  for (const candidate of candidates.filter(file => existsSync(file)).slice(0, MAX_CANDIDATES)) {
    // oxlint-disable-next-line no-await-in-loop -- the first one with paho-mqtt is enough
    if (await succeeds(candidate, ["-c", PROBE])) return candidate;
  }
  return null;
}

async function succeeds(program: string, args: string[]): Promise<boolean> {
  const child = spawn(program, args, { stdio: "ignore", timeout: PROBE_TIMEOUT_MS, windowsHide: true });
  const [code] = await once(child, "exit").catch(() => [null]);
  return code === 0;
}
