import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** The parameters of scrypt (RFC 7914): N = 2 ** `ln`. A run takes 128 × N × r bytes. */
interface Cost {
  ln: number;
  r: number;
  p: number;
}

export interface PasswordHash extends Cost {
  salt: Buffer;
  key: Buffer;
}

/** Node's defaults: 16 MiB and about 50 ms of one processor. */
const COST: Cost = { ln: 14, r: 8, p: 1 };
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** A hash that costs more would delay every login: 128 MiB, or the work of 32 hashes at the default cost. */
const MAX_MEMORY_BYTES = 2 ** 27;
const MAX_WORK = 32 * 2 ** 17;

/** Longer passwords are refused without hashing. */
export const MAX_PASSWORD_BYTES = 1024;

/** The PHC string format: parameters, salt and key, in base64 without padding. */
const FORMAT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,4}),p=(\d{1,4})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43,86})$/;

const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** Returns a text without spaces that contains a new salt. */
export async function hashPassword(password: Buffer): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, { ...COST, salt, key: Buffer.alloc(KEY_BYTES) });
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${base64(salt)}$${base64(key)}`;
}

/** Returns null if the text is no hash, or if its cost is above the limits. */
export function parseHash(text: string): PasswordHash | null {
  const [, ln, r, p, salt = "", key = ""] = FORMAT.exec(text) ?? [];
  if (ln === undefined) return null;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const block = 2 ** cost.ln * cost.r;
  if (cost.ln < 1 || block < 1 || cost.p < 1) return null;
  if (128 * block > MAX_MEMORY_BYTES || block * cost.p > MAX_WORK) return null;
  return { ...cost, salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
}

/** Returns a hash that no password matches. A check takes as long as one of `like`. */
export const decoyHash = (like: Cost = COST): PasswordHash => ({
  ln: like.ln,
  r: like.r,
  p: like.p,
  salt: randomBytes(SALT_BYTES),
  key: randomBytes(KEY_BYTES),
});

/** Compares in constant time, and hashes in a thread of Node's pool. */
export async function verifyPassword(password: Buffer, hash: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, hash), hash.key);
}

function derive(password: Buffer, { ln, r, p, salt, key }: PasswordHash): Promise<Buffer> {
  const options = { N: 2 ** ln, r, p, maxmem: 2 * MAX_MEMORY_BYTES };
  return new Promise((resolve, reject) =>
    scrypt(password, salt, key.length, options, (error, derived) =>
      error ? reject(error) : resolve(derived),
    ),
  );
}
