// Kills the nodes of a RabbitMQ cluster under load, and counts what was acknowledged and did not come.
import { parseArgs } from "node:util";
import { withOwner } from "../../support/processes.js";
import { noRabbitmq } from "../../support/rabbitmq.js";
import { Cluster } from "./cluster.js";
import { failover, isKept } from "./failover.js";
import { outcomeTable } from "./table.js";

const USAGE = `npm run failover -- [--rounds N] [--publishers N] [--subscribers N]
  [--interval SECONDS] [--readings N]
    readings of each publisher before a node is killed, while it is dead, and
    when it is back
`;

const number = (value: string) => ({ type: "string", default: value }) as const;
const { values } = parseArgs({
  options: {
    rounds: number("1"),
    publishers: number("20"),
    subscribers: number("10"),
    interval: number("0.5"),
    readings: number("20"),
    help: { type: "boolean" },
  },
});
const { help, ...given } = values;
const load = {
  rounds: Number(given.rounds),
  publishers: Number(given.publishers),
  subscribers: Number(given.subscribers),
  interval: Number(given.interval),
  readings: Number(given.readings),
};
if (help || !Object.values(load).every(value => value > 0)) {
  process.stdout.write(USAGE);
  process.exitCode = help ? 0 : 2;
} else if (noRabbitmq !== false) {
  process.stderr.write(`${noRabbitmq}: on Debian or Ubuntu, apt-get install rabbitmq-server\n`);
  process.exitCode = 1;
} else {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  await withOwner(async t => {
    say("the cluster starts, which takes about a minute");
    const outcome = await failover(t, await Cluster.start(t), load, say);
    process.stdout.write(outcomeTable(outcome));
    if (!isKept(outcome)) process.exitCode = 1;
  });
}
