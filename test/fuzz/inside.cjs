// For node's --require: tells its parent, when that asks, what the process holds once its garbage is collected.
const { setFlagsFromString } = require("node:v8");
const { runInNewContext } = require("node:vm");

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
process.on("message", asked => {
  if (asked !== "holdings") return;
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  const sockets = process.getActiveResourcesInfo().filter(name => name === "TCPSocketWrap").length;
  process.send({ heap: heapUsed + external, rss, sockets });
});
