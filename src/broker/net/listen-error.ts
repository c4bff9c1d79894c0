import { UserError } from "../../util/errors.js";
import { type PortOwner, portOwner } from "./port-owner.js";

interface Failure {
  code: string;
  message(address: string, owner: PortOwner | null): string;
  hint(port: number, option: string, owner: PortOwner | null): string;
}

const anotherPort = (port: number, option: string) => {
  const other = port < 1024 ? 1883 : port === 65535 ? 1884 : port + 1;
  const client = option === "--port" ? `, then npx pub-lwt --port ${other}` : "";
  return `npx lwt-broker ${option} ${other}${client}`;
};

/** The reasons why a server cannot listen, by the system's error code. */
const FAILURES: Record<string, Failure> = {
  EADDRINUSE: {
    code: "port-taken",
    message: (address, owner) =>
      owner
        ? `${address} is already in use by ${owner.name} (process ${owner.pid}).`
        : `${address} is already in use, probably by another MQTT broker (Mosquitto installs one as a service).`,
    hint: (port, option, owner) =>
      option === "--port" && owner?.name === "lwt-broker"
        ? `Use it: npx pub-lwt --port ${port}. Or use another port: ${anotherPort(port, option)}`
        : `Use that broker, or another port: ${anotherPort(port, option)}`,
  },
  EACCES: {
    code: "port-forbidden",
    message: address => `this user may not listen on ${address}.`,
    hint: (port, option) => `Choose a port above 1023: ${anotherPort(port, option)}`,
  },
  EADDRNOTAVAIL: {
    code: "address-unavailable",
    message: address => `this computer has no such address to listen on: ${address}.`,
    hint: () => "Use --host 127.0.0.1 for this computer alone, --host 0.0.0.0 for its whole network.",
  },
  ENOTFOUND: {
    code: "host-unknown",
    message: address => `no address is known for the host to listen on: ${address}.`,
    hint: () => "Use --host 127.0.0.1 for this computer alone, --host 0.0.0.0 for its whole network.",
  },
};

/** Returns a UserError with a hint, or any other error unchanged. @param option the command-line option of the port */
export async function listenError(
  error: unknown,
  host: string,
  port: number,
  option: string,
): Promise<unknown> {
  const { code = "" } = error as NodeJS.ErrnoException;
  const failure = FAILURES[code];
  if (!failure) return error;
  const owner = code === "EADDRINUSE" ? await portOwner(port) : null;
  const message = failure.message(`port ${port} on ${host}`, owner);
  return new UserError(failure.code, message, failure.hint(port, option, owner));
}
