import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { usageError } from "../util/errors.js";
import type { Host } from "../config/settings/connection-settings.js";
import type { Variables } from "../config/settings/merge-sources.js";

export const host = (variables: Variables, platform: string): Host => ({
  readFile,
  ownSuffix: () => ownSuffix(path.join(stateFolder(variables, platform), "mqtt-lwt-lab", "suffix")),
});

function readFile(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw usageError(
      "bad-file",
      `cannot read ${file} for ${option}: ${code === "ENOENT" ? "there is no such file" : message}.`,
      "Name a PEM file that this user may read.",
    );
  }
}

/** Returns each system's folder for programs' state. */
function stateFolder({ XDG_STATE_HOME, LOCALAPPDATA }: Variables, platform: string): string {
  if (platform === "win32") return LOCALAPPDATA || path.join(homedir(), "AppData", "Local");
  if (XDG_STATE_HOME && path.isAbsolute(XDG_STATE_HOME)) return XDG_STATE_HOME;
  return platform === "darwin"
    ? path.join(homedir(), "Library", "Application Support")
    : path.join(homedir(), ".local", "state");
}

const SUFFIX = /^x[0-9a-f]{6}$/;

function ownSuffix(file: string): { suffix: string; kept: boolean } {
  const known = readSuffix(file);
  if (known) return { suffix: known, kept: true };
  const suffix = `x${randomHex()}`;
  try {
    return { suffix: writeSuffix(file, suffix), kept: true };
  } catch {
    return { suffix, kept: false };
  }
}

/** Math.random is enough to differ from other computers; node:crypto takes longer to load. */
const randomHex = () =>
  Math.floor(Math.random() * 0x1000000)
    .toString(16)
    .padStart(6, "0");

function readSuffix(file: string): string | null {
  try {
    const text = readFileSync(file, "utf8").trim();
    return SUFFIX.test(text) ? text : null;
  } catch {
    return null;
  }
}

/** Writes the file atomically; of two commands that start for the first time, the first one's suffix counts. */
function writeSuffix(file: string, suffix: string): string {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 }); // private to this user
  const draft = `${file}-${suffix}`;
  writeFileSync(draft, `${suffix}\n`, { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch {
    const first = readSuffix(file);
    if (first) return first;
    renameSync(draft, file); // the file is damaged, or this disk has no links
  } finally {
    rmSync(draft, { force: true });
  }
  return suffix;
}
