import { type ClassReport, holdClass, isRight, WAYS } from "../support/classroom.js";
import { progress } from "./progress.js";

export const about = "thirty students at once: a pub-lwt and a sub-lwt each, on one lwt-broker";

export const limits = `Most of it is starting sixty processes. The memory is each process's own most, as the system counts
it: what they share, Node itself above all, is in each of these figures again.`;

const STUDENTS = 30;
/** Milliseconds. */
const START_WITHIN = 10_000;
const READINGS = 3;

export async function run(): Promise<string> {
  const ends: (() => unknown)[] = [];
  const after = (end: () => unknown) => void ends.unshift(end);
  progress(`${STUDENTS} students`);
  try {
    const course = { students: STUDENTS, startWithin: START_WITHIN, after: READINGS };
    return tableOf(await holdClass({ after }, course));
  } finally {
    for (const end of ends) await end();
  }
}

function tableOf({ stories, startedWithin, table, costs, lasted }: ClassReport): string {
  const lines = [
    `Node ${process.versions.node}; default options, ${READINGS} readings each, then a third fails in each way`,
    `the last had subscribed after ${(startedWithin / 1000).toFixed(1)} s; the class took ${(lasted / 1000).toFixed(0)} s`,
    "",
    "way to fail     own story right",
    ...Object.keys(WAYS).map(way => {
      const own = stories.filter(story => story.way === way);
      return `${way.padEnd(16)}${own.filter(isRight).length} of ${own.length}`;
    }),
    `attempts to connect that were given up: ${stories.reduce((sum, { attempts }) => sum + attempts, 0)}`,
    `the teacher's table: ${table.split("\n")[0]?.replaceAll(/ {2,}/g, ", ")}`,
    "",
    "                 processes   MB, the largest   CPU s, all",
  ];
  for (const [name, { memory, cpu }] of Object.entries(costs)) {
    const processes = /^(pub|sub)-lwt$/.test(name) ? STUDENTS : 1;
    lines.push(
      `${name.padEnd(17)}${String(processes).padStart(9)}${memory.toFixed(0).padStart(18)}${(cpu / 1000).toFixed(1).padStart(13)}`,
    );
  }
  const wrong = stories.filter(story => !isRight(story)).map(story => JSON.stringify(story));
  return [...lines, ...wrong].join("\n");
}
