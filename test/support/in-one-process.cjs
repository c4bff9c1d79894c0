// Runs built commands one after another in one process, each as if it had just been started: what a start costs is nearly
// all that a wrong use costs. RUNS says what to run, and stdout what became of it.
const path = require("node:path");

const bin = path.join(__dirname, "..", "..", "bin");
const exit = process.exit.bind(process);
const { RUNS, ...environment } = process.env;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

// Each run listens to them anew.
for (const emitter of [process, process.stdout, process.stderr]) emitter.setMaxListeners(0);

/** What it writes goes to `said`. */
function listenTo(stream, name, said) {
  stream.write = (text, encoding, callback = encoding) => {
    said[name] += text;
    if (typeof callback === "function") process.nextTick(callback);
    return true;
  };
}

function start({ name, args, env, cwd }) {
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"]) listenTo(process[stream], stream, said);
  for (const variable of Object.keys(process.env)) delete process.env[variable];
  Object.assign(process.env, environment, env);
  process.chdir(cwd);
  process.exitCode = undefined;
  const file = path.join(bin, `${name}.cjs`);
  process.argv = [process.argv[0], file, ...args];
  for (const loaded of Object.keys(require.cache)) if (loaded !== __filename) delete require.cache[loaded];
  return new Promise(resolve => {
    process.exit = (code = process.exitCode) => resolve({ ...said, exit: code ?? 0 });
    require(file);
  }).finally(() => SIGNALS.forEach(signal => process.removeAllListeners(signal)));
}

async function startAll(runs) {
  const write = process.stdout.write.bind(process.stdout);
  const ends = [];
  for (const run of runs) ends.push(await start(run));
  process.stdout.write = write;
  process.stdout.write(JSON.stringify(ends), () => exit(0));
}

void startAll(JSON.parse(RUNS));
