import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { constants } from "node:os";

/** Makes a signal end this process with all its children, which would run on otherwise. */
export function endChildren(): void {
  const running = new Set<ChildProcess>();
  subscribe("child_process", message => {
    const { process: child } = message as { process: ChildProcess };
    running.add(child);
    child.once("exit", () => running.delete(child));
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      for (const child of running) child.kill("SIGKILL");
      process.exit(128 + constants.signals[signal]); // oxlint-disable-line no-process-exit -- as if it had ended it
    });
}
