// For node's --require: tells its parent, when that asks, what the process holds once its garbage is collected.
const { Socket } = require("node:net");
const { queryObjects, setFlagsFromString } = require("node:v8");
const { runInNewContext } = require("node:vm");

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
process.on("message", asked => {
  if (asked !== "holdings") return;
  const sockets = queryObjects(Socket, { format: "count" });
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({ heap: heapUsed + external, rss, sockets });
});
