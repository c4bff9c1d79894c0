import { UserError } from "../errors.js";
import type { ProcessEvent } from "../events.js";
import { type ProcessSettings, startProcess } from "./process.js";

/** Seconds that a broker has to answer. */
const CONNECT_TIMEOUT = "5";

/**
 * Connects once before a lesson begins, so that a broker that can't be used is no claim that did not hold.
 * @param forget a client that leaves nothing there
 * @returns the URL by which it was reached
 * @throws UserError with what that client says
 */
export async function reach(forget: ProcessSettings): Promise<string> {
  let reached = "";
  const troubles: Extract<ProcessEvent, { event: "error" }>[] = [];
  const running = await startProcess({
    ...forget,
    args: [...forget.args, "--connect-timeout", CONNECT_TIMEOUT],
    onEvent: event => {
      if (event.event === "error") troubles.push(event);
      if (event.event === "connected") reached = event.broker;
    },
  });
  await running.ended;
  const [trouble] = troubles;
  if (trouble) throw new UserError(trouble.code, trouble.message, trouble.hint);
  return reached;
}
