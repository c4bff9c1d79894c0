import { usageError } from "../../util/errors.js";

/** PEM texts: the certificates, the broker's own first, and its private key without a pass phrase. */
export interface Encryption {
  cert: string;
  key: string;
}

/**
 * Returns the options of a TLS server.
 * @throws UserError exit code 2, if the certificate or the key cannot be used, or if they do not match
 */
export async function tlsOptions({ cert, key }: Encryption) {
  const { X509Certificate, createPrivateKey } = await import("node:crypto");
  const { createSecureContext } = await import("node:tls");
  const certificate = attempt(
    () => new X509Certificate(cert),
    "--tls-cert has no certificate that can be read",
  );
  const privateKey = attempt(() => createPrivateKey(key), "--tls-key has no private key that can be read");
  if (!certificate.checkPrivateKey(privateKey)) throw unusable("--tls-key is not the key of --tls-cert");
  const options = { cert, key, minVersion: "TLSv1.2" } as const;
  attempt(() => createSecureContext(options), "cannot use --tls-cert and --tls-key");
  return options;
}

function attempt<Made>(make: () => Made, otherwise: string): Made {
  try {
    return make();
  } catch (error) {
    throw unusable(`${otherwise} (${(error as Error).message})`);
  }
}

const unusable = (what: string) =>
  usageError(
    "bad-certificate",
    `${what}.`,
    "Use PEM files: the certificate that clients receive, and its private key without a pass phrase.",
  );
