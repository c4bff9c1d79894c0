import { conflictError } from "../../util/errors.js";
import type { brokerOptions } from "../options/broker-options.js";
import type { Values } from "../options/option.js";
import type { Host } from "./connection-settings.js";

type BrokerValues = Values<typeof brokerOptions>;

/** IANA's port for MQTT over TLS. */
const TLS_PORT = 8883;

/**
 * Returns the listeners of lwt-broker.
 * @throws UserError exit code 2: options that contradict each other, or a file that can't be read
 */
export function listenSettings(values: BrokerValues, { readFile }: Pick<Host, "readFile">) {
  const { host, port } = values;
  const [certFile, keyFile] = [values["tls-cert"], values["tls-key"]];
  const wantsTls = values["tls-port"] !== null || values["tls-only"] || keyFile !== null;
  if (certFile === null ? wantsTls : keyFile === null)
    throw conflictError(
      "TLS needs both a certificate and its key",
      "Name both files: --tls-cert FILE --tls-key FILE.",
    );
  if (values["ws-origin"] !== null && values["ws-port"] === null)
    throw conflictError("--ws-origin needs --ws-port", "Add the port: --ws-port PORT.");
  const tls =
    certFile === null || keyFile === null
      ? null
      : {
          port: values["tls-port"] ?? TLS_PORT,
          cert: readFile("--tls-cert", certFile),
          key: readFile("--tls-key", keyFile),
        };
  const ws =
    values["ws-port"] === null ? null : { port: values["ws-port"], origins: values["ws-origin"] ?? [] };
  const tlsOnly = values["tls-only"];
  const ports = [tlsOnly ? 0 : port, tls?.port ?? 0, ws?.port ?? 0].filter(each => each > 0);
  if (new Set(ports).size < ports.length)
    throw conflictError(
      "--port, --tls-port and --ws-port are different ports",
      "For example: --port 1883 --tls-port 8883 --ws-port 9001",
    );
  return { host, port, tls, tlsOnly, ws };
}
