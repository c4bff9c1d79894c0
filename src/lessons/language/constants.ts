/** The lesson's own broker: started before the first step on a free port, and every client is pointed at it. */
export const BROKER = "broker";

/** The slide's lines in Python: no other script, for lesson files get passed around. */
export const SLIDE_CODE = "slide-code.py" as const;

/** What `start` may run, and whether it is a client, which is then given the lesson's broker. */
export const COMMANDS = {
  "pub-lwt": "client",
  "sub-lwt": "client",
  [SLIDE_CODE]: "client",
  "lwt-broker": "broker",
} as const;
export type Command = keyof typeof COMMANDS;
