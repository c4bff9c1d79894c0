// For node's --require: when the process ends, writes what it has used to the file that MEASURE names. The system's own
// figure for the most memory has the parent's in it.
const { writeFileSync } = require("node:fs");

let most = 0;
const look = () => {
  most = Math.max(most, process.memoryUsage.rss());
};
setInterval(look, 50).unref();
process.on("exit", () => {
  look();
  const { user, system } = process.cpuUsage();
  writeFileSync(
    process.env.MEASURE,
    JSON.stringify({ megabytes: most / 2 ** 20, seconds: (user + system) / 1e6 }),
  );
});
