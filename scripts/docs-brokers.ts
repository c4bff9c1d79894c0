// Checks brokers, and writes the results to docs/brokers.md: `npm run docs:brokers`.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { CheckEvent } from "../src/events/events.js";
import { lessons } from "../test/support/checks.js";
import { Cluster } from "../test/soak/cluster/cluster.js";
import { command, mosquitto, type Owner, temporaryFolder, withOwner } from "../test/support/processes.js";
import { rabbitmq } from "../test/support/rabbitmq.js";

const FILE = path.join(import.meta.dirname, "..", "docs", "brokers.md");

const INTRODUCTION = `# What brokers keep of their promises

Written by \`npm run docs:brokers\`, which runs \`lwt-demo check\` on each of these brokers, as they come from Debian, or as
they are bundled; the last one is the cluster of \`examples/cluster/\`, all of whose nodes live. \`deviates\` counts where MQTT 3.1.1 leaves something open too; the tables below say which. What is left
out (\`not observed\`) only the bundled broker can tell, or it needs QoS 2.
`;

interface Result {
  name: string;
  report: string;
  checked: Extract<CheckEvent, { event: "checked" }>[];
}

/** Starts a broker that is not bundled. Returns the options that name it, and an addition to its name. */
type Start = (t: Owner) => Promise<{ args: string[]; more?: string }>;

const check = (start: Start): Promise<Result> =>
  withOwner(async t => {
    const { args, more = "" } = await start(t);
    const file = path.join(temporaryFolder(t), "check.md");
    const run = command(t, "lwt-demo", ["check", "--report", file, ...args]);
    await run.ended;
    const [verdict] = run.all("check");
    if (!verdict) throw new Error(run.stderr);
    // The port differs from run to run.
    const report = readFileSync(file, "utf8")
      .replace(/mqtt:\/\/127\.0\.0\.1:\d+(,\S+:\d+)*/, "this computer")
      .replace(/^# .*/, heading => heading + more);
    const name = /^# Check of (.*)$/m.exec(report)?.[1] ?? "";
    process.stdout.write(`${name}: ${verdict.seconds} s\n`);
    return { name, report, checked: run.all("checked") };
  });

/** Set by the single node, whose package the cluster is from too. */
let rabbitmqVersion = "";
const starts: Start[] = [
  async () => ({ args: [] }),
  async () => ({ args: ["--on-disk"] }),
  async t => ({ args: ["--broker", (await mosquitto(t)).url] }),
  async t => {
    const { url, version } = await rabbitmq(t);
    rabbitmqVersion = version;
    return { args: ["--broker", url, "--as", `rabbitmq-${version}`] };
  },
  async t => {
    const { brokers } = await Cluster.start(t);
    return { args: ["--broker", brokers, "--as", `rabbitmq-${rabbitmqVersion}`], more: ", three nodes" };
  },
];

const results: Result[] = [];
// oxlint-disable-next-line no-await-in-loop -- one broker at a time, on a computer with two processors
for (const start of starts) results.push(await check(start));

const outcome = ({ checked }: Result, name: string) =>
  checked.find(({ lesson }) => lesson === name)?.outcome ?? "";
const row = (cells: string[]) => `| ${cells.join(" | ")} |`;
const overview = [
  row(["lesson", ...results.map(({ name }) => name)]),
  row(["---", ...results.map(() => "---")]),
  ...lessons.map(name => row([`\`${name}\``, ...results.map(each => outcome(each, name))])),
];
const sections = results.map(({ report }) => report.replace("# Check of ", "## "));
writeFileSync(FILE, [INTRODUCTION, `${overview.join("\n")}\n`, ...sections].join("\n"));
