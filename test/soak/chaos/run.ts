// Kills a broker and its publishers at random moments, and counts what was promised and not kept.
import { parseArgs } from "node:util";
import { breaks } from "./breaks.js";
import { aedes, type BrokerKind, lwtBroker, mosquitto } from "./brokers.js";
import { chaos } from "./chaos.js";
import { endChildren } from "../../support/end-children.js";

endChildren();

const USAGE = `npm run chaos -- [--kills N] [--seed S] [--sync disk|write]
  --broker lwt-broker|mosquitto|aedes   the others beside it: their table only
  --break ${Object.keys(breaks).join("|")}
    breaks the store on purpose; that has to be noticed
`;

const text = (value: string) => ({ type: "string", default: value }) as const;
const { values } = parseArgs({
  options: {
    kills: text("20"),
    seed: text(String(Math.floor(Math.random() * 1e6))),
    sync: text("disk"),
    broker: text("lwt-broker"),
    break: { type: "string" },
    help: { type: "boolean" },
  },
});
const brokers: Record<string, (bin: string) => BrokerKind> = {
  "lwt-broker": lwtBroker(values.sync),
  mosquitto,
  aedes,
};
const broker = brokers[values.broker];
const broken = breaks[values.break ?? ""];
const [kills, seed] = [Number(values.kills), Number(values.seed)];
const isUsable =
  broker && kills > 0 && kills <= 10_000 && Number.isInteger(seed) && (broken || !values.break);
if (values.help || !isUsable) {
  process.stdout.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  process.stderr.write(`seed ${seed}\n`); // also of a run that does not come to its end
  const { report, isRight } = await chaos({ kills, seed, broker, ...(broken && { broken }) });
  process.stdout.write(report);
  if (!isRight && values.broker === "lwt-broker") process.exitCode = 1;
}
