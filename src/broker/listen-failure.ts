import { UserError } from "../errors.js";

interface Failure {
  code: string;
  message(address: string): string;
  hint(port: number): string;
}

const anotherPort = (port: number) => {
  const other = port < 1024 ? 1883 : port === 65535 ? 1884 : port + 1;
  return `npx lwt-broker --port ${other}, then npx pub-lwt --broker 127.0.0.1:${other}`;
};

/** Why a server can't listen, by the system's error code. */
const FAILURES: Record<string, Failure> = {
  EADDRINUSE: {
    code: "port-taken",
    message: address =>
      `${address} is already in use, probably by another MQTT broker (Mosquitto installs one as a service).`,
    hint: port => `Use that one, or choose another port: ${anotherPort(port)}`,
  },
  EACCES: {
    code: "port-forbidden",
    message: address => `this user may not listen on ${address}.`,
    hint: port => `Choose a port above 1023: ${anotherPort(port)}`,
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

/** The error in words that help; any other error as it is. */
export function listenFailure(error: unknown, host: string, port: number): unknown {
  const failure = FAILURES[(error as NodeJS.ErrnoException).code ?? ""];
  if (!failure) return error;
  return new UserError(failure.code, failure.message(`port ${port} on ${host}`), failure.hint(port));
}
