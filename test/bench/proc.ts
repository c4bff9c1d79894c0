import { readFileSync } from "node:fs";

/** Figures from /proc, or NaN on systems without it. */
const procOf = (pid: number, file: string) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
};

/** The most memory that a process has had, in MB. */
export const memoryOf = (pid: number): number =>
  Number(/VmHWM:\s*(\d+)/.exec(procOf(pid, "status"))?.[1]) / 1024;

/** The memory that a process has now, in MB. */
export const residentOf = (pid: number): number =>
  Number(/VmRSS:\s*(\d+)/.exec(procOf(pid, "status"))?.[1]) / 1024;

/** Milliseconds of processor time that a process has taken; /proc counts in hundredths of a second. */
export const cpuOf = (pid: number): number => {
  const [, fields = ""] = procOf(pid, "stat").split(") ");
  const [user, system] = fields.split(" ").slice(11, 13);
  return 10 * (Number(user) + Number(system));
};
