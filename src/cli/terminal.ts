import { themeFor } from "../render/theme.js";
import { DEFAULT_WIDTH, type Screen, clampWidth } from "../render/screen.js";
import type { Variables } from "../config/settings/merge-sources.js";

export interface Streams {
  out: NodeJS.WriteStream;
  err: NodeJS.WriteStream;
}

/** Whether the stream's lines can be rewritten. */
export const canRewrite = (stream: Pick<NodeJS.WriteStream, "isTTY">, { TERM }: Variables): boolean =>
  stream.isTTY && TERM !== "dumb";

/** Returns the abilities of the two streams. The width follows the window. */
export async function screenFor(
  { out, err }: Streams,
  variables: Variables,
  platform: string,
): Promise<Screen> {
  const { NO_COLOR, FORCE_COLOR, LANG, LC_ALL, LC_CTYPE } = variables;
  const colourOn = (stream: NodeJS.WriteStream) =>
    FORCE_COLOR ? !/^(0|false)$/i.test(FORCE_COLOR) : canRewrite(stream, variables) && !NO_COLOR;
  const locale = LC_ALL || LC_CTYPE || LANG || "UTF-8";
  return {
    get width() {
      const terminal = [out, err].find(stream => stream.isTTY);
      return clampWidth(terminal?.columns || DEFAULT_WIDTH);
    },
    out: await themeFor(colourOn(out)),
    err: await themeFor(colourOn(err)),
    isTerminal: out.isTTY,
    isErrTerminal: err.isTTY,
    hasUnicode: platform === "win32" || /utf-?8/i.test(locale),
  };
}
