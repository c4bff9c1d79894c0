import type { Keyboard } from "./keyboard.js";

const ENTER = /[\r\n]/;
const ERASE = /[\b\u007f]/;
/** Ctrl-D, and Ctrl-U, which takes all back. */
const END = "\u0004";
const KILL = "\u0015";

/** What is typed until Enter, shown nowhere; null when there will be no more. */
export async function promptPassword(keyboard: Keyboard): Promise<string | null> {
  let typed: string[] = [];
  for (;;) {
    const key = await keyboard.next();
    if (key === null || (key === END && typed.length === 0)) return null;
    if (ENTER.test(key)) return typed.join("");
    if (ERASE.test(key)) typed.pop();
    else if (key === KILL) typed = [];
    else if (!/\p{Cc}/u.test(key)) typed.push(key);
  }
}

/** Bytes of a line that is worth reading. */
const MOST = 64 * 1024;

/** The first line of what comes through a pipe; null where nothing does. */
export async function readFirstLine(input: AsyncIterable<unknown>): Promise<string | null> {
  let all = Buffer.alloc(0);
  for await (const piece of input) {
    all = Buffer.concat([all, piece as Buffer]);
    if (all.includes("\n") || all.length > MOST) break;
  }
  return all.length === 0 ? null : (all.toString("utf8").split(/\r?\n/)[0] ?? null);
}
