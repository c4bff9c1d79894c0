/** The lesson's own broker: started before the first step on a free port, and every client is pointed at it. */
export const BROKER = "broker";

/** What `start` may run, and whether it is a client, which is then given the lesson's broker. */
export const COMMANDS = { "pub-lwt": "client", "sub-lwt": "client", "lwt-broker": "broker" } as const;
export type Command = keyof typeof COMMANDS;
