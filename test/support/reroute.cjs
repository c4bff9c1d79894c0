// Preloaded into a command: connections to the hosts that REROUTE names go to a port of this machine instead, or fail
// with a system error, so that no test depends on a name server or touches a network.
const net = require("node:net");

const routes = JSON.parse(process.env.REROUTE ?? "{}");
const connect = net.connect;

net.connect = options => {
  const route = routes[`${options.host}:${options.port}`];
  if (typeof route === "number") return connect({ ...options, host: "127.0.0.1", port: route });
  if (route === undefined) return connect(options);
  const socket = new net.Socket();
  const error = Object.assign(new Error(`connect ${route}`), { code: route, syscall: "connect" });
  process.nextTick(() => socket.destroy(error));
  return socket;
};
