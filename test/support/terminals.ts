import { spawn } from "node:child_process";
import path from "node:path";
import type { TestContext } from "node:test";
import { type Ended, ends, missing, type Run, Running, temporaryFolder } from "./processes.js";
import { binDir } from "./paths.js";

/** util-linux's, which makes pseudo-terminals; elsewhere a program of that name takes other options. */
export const skip =
  process.platform === "linux"
    ? missing("script", ["-qfec", "true", "/dev/null"])
    : "script of util-linux is not here";

export const ESC = "\u001b";
export const SGR = /\u001b\[[\d;]*m/g;
export const CTRL_C = "\u0003";
export interface Terminal {
  columns?: number;
  env?: Record<string, string>;
  /** For the shell, behind the command. */
  piped?: string;
}

/** Nothing of what a developer has set. */
export function environment(folder: string, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, NODE_V8_COVERAGE } = process.env;
  const coverage = NODE_V8_COVERAGE ? { NODE_V8_COVERAGE } : {};
  const terminal = { SHELL: "/bin/sh", TERM: "xterm-256color", LANG: "C.UTF-8" };
  return { PATH, ...terminal, HOME: folder, XDG_STATE_HOME: folder, ...coverage, ...more };
}

/** One of the four commands on a terminal of its own. */
export const onTerminal = (t: TestContext, name: string, args: string[], how: Terminal = {}): Running =>
  fileOnTerminal(t, [path.join(binDir, `${name}.cjs`), ...args], how);

/** Runs commands one after another in one process, on one terminal. */
export const endsOnTerminal = (t: TestContext, runs: Run[], how: Terminal = {}): Promise<Ended[]> =>
  ends(t, runs, (file, env) => fileOnTerminal(t, [file], { ...how, env: { ...how.env, ...env } }));

function fileOnTerminal(t: TestContext, words: string[], how: Terminal): Running {
  const { columns = 80, env, piped = "" } = how;
  const cwd = temporaryFolder(t);
  const quoted = [process.execPath, ...words].map(word => `'${word.replaceAll("'", String.raw`'\''`)}'`);
  // The shell stays only where it has to: it would be interrupted too, and end with 130.
  const line = `stty cols ${columns} rows 24 && ${piped ? "" : "exec "}${quoted.join(" ")} ${piped}`;
  const child = spawn("script", ["-qfec", line, "/dev/null"], {
    cwd,
    env: environment(cwd, env),
    stdio: "pipe",
  });
  child.stdin.on("error", () => {});
  return new Running(t, child);
}

export const type = ({ child }: Running, keys: string) => child.stdin?.write(keys);
