/** The lesson's own broker. It starts before the first step, and every client connects to it. */
export const BROKER = "broker";

/** The slide's code. No lesson runs another script, because lesson files are shared. */
export const SLIDE_CODE = "slide-code.py" as const;

/** The commands that `start` may run. A client gets the lesson's broker. */
export const COMMANDS = {
  "pub-lwt": "client",
  "sub-lwt": "client",
  [SLIDE_CODE]: "client",
  "lwt-broker": "broker",
} as const;
export type Command = keyof typeof COMMANDS;

export function isCommand(name: string): name is Command {
  return Object.hasOwn(COMMANDS, name);
}
