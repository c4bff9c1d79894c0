// Sends the broker what no client should, beside a pair that means well, and looks what that does to them.
import { parseArgs } from "node:util";
import { fuzz, type Setup, SETUPS } from "./fuzz.js";
import { endChildren } from "../../support/end-children.js";

endChildren();

const USAGE = `npm run fuzz -- [--seconds N] [--seed S]
  --setup ${Object.keys(SETUPS).join("|")}
    how the broker is started; without it, each way for its share of the time
  --from N --rounds N
    only these rounds: what a failure says to be repeated
`;

const text = (value: string) => ({ type: "string", default: value }) as const;
const { values } = parseArgs({
  options: {
    seconds: text("60"),
    seed: text(String(Math.floor(Math.random() * 1e6))),
    setup: { type: "string" },
    from: text("1"),
    rounds: text("1000000"),
    help: { type: "boolean" },
  },
});
const [seconds, seed, from, rounds] = [values.seconds, values.seed, values.from, values.rounds].map(
  Number,
) as [number, number, number, number];
const setups = Object.keys(SETUPS).filter(name => [name, undefined].includes(values.setup)) as Setup[];
const isUsable =
  seconds > 0 && rounds > 0 && from > 0 && [seed, from].every(Number.isInteger) && setups.length > 0;
if (values.help || !isUsable) {
  process.stdout.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  process.stderr.write(`seed ${seed}\n`); // also of a run that does not come to its end
  for (const setup of setups) {
    const { report, isRight } = await fuzz({ setup, seed, from, rounds, seconds: seconds / setups.length });
    process.stdout.write(`${report}\n`);
    if (!isRight) process.exitCode = 1;
  }
}
