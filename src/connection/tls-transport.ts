import { isIP } from "node:net";
import { connect, createSecureContext, type SecureContext } from "node:tls";
import { usageError } from "../util/errors.js";
import type { TlsSettings } from "../config/connection-options.js";
import type { TransportLayer } from "./transport-layer.js";

/** TLS on a socket. @throws UserError when the certificates or the key can't be used */
export function tlsLayer(settings: TlsSettings): TransportLayer {
  const secureContext = contextFor(settings);
  return (socket, { host }) => {
    const stream = connect({
      socket,
      secureContext,
      host, // whose certificate it has to be
      ...(isIP(host) === 0 && { servername: host }), // RFC 6066 knows names only
      rejectUnauthorized: !settings.insecure,
    });
    socket.on("error", error => stream.destroy(error));
    return stream;
  };
}

function contextFor({ ca, cert, key }: TlsSettings): SecureContext {
  try {
    // OpenSSL takes a file without certificates for an empty list.
    if (ca && !ca.includes("-----BEGIN "))
      throw new Error("the file of trusted certificates holds no PEM certificate");
    return createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  } catch (error) {
    throw usageError(
      "bad-certificate",
      `cannot use the certificates or the key: ${(error as Error).message}.`,
      "Use PEM files: certificates for --cafile and --cert, and the private key of --cert without a pass phrase for --key.",
    );
  }
}
