import type { Keyboard } from "./keyboard.js";

const ENTER = /[\r\n]/;
const ERASE = /[\b\u007f]/;
const CTRL_D = "\u0004";
/** Erases the line. */
const CTRL_U = "\u0015";

/** Resolves with the keys typed until Enter, or with null when the keyboard ends. */
export async function promptPassword(keyboard: Keyboard): Promise<string | null> {
  let typed: string[] = [];
  for (;;) {
    const key = await keyboard.next();
    if (key === null || (key === CTRL_D && typed.length === 0)) return null;
    if (ENTER.test(key)) return typed.join("");
    if (ERASE.test(key)) typed.pop();
    else if (key === CTRL_U) typed = [];
    else if (!/\p{Cc}/u.test(key)) typed.push(key);
  }
}

const MAX_LINE_BYTES = 64 * 1024;

/** Resolves with the first line of a pipe, or with null if it is empty. */
export async function readFirstLine(input: AsyncIterable<unknown>): Promise<string | null> {
  let all = Buffer.alloc(0);
  for await (const chunk of input) {
    all = Buffer.concat([all, chunk as Buffer]);
    if (all.includes("\n") || all.length > MAX_LINE_BYTES) break;
  }
  return all.length === 0 ? null : (all.toString("utf8").split(/\r?\n/)[0] ?? null);
}
