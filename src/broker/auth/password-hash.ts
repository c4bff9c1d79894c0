import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** scrypt's parameters (RFC 7914): N = 2 ** `ln`, and it takes 128 × N × r bytes while it runs. */
interface Cost {
  ln: number;
  r: number;
  p: number;
}

export interface PasswordHash extends Cost {
  salt: Buffer;
  key: Buffer;
}

/** 16 MiB and some 50 ms of one processor: what Node takes too where it is not told. */
const COST: Cost = { ln: 14, r: 8, p: 1 };
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** 128 MiB, and so much work as 32 of ours: a file that asks for more would stall every log-in. */
const MOST_MEMORY = 2 ** 27;
const MOST_WORK = 32 * 2 ** 17;

/** Bytes of a password: longer ones are nobody's, and not worth hashing. */
export const MAX_PASSWORD_BYTES = 1024;

/** A hash in the PHC string format: parameters, salt and key, in base64 without its padding. */
const FORMAT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,4}),p=(\d{1,4})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43,86})$/;

const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** With a salt of its own, as a text without spaces. */
export async function hashPassword(password: Buffer): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, { ...COST, salt, key: Buffer.alloc(KEY_BYTES) });
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${base64(salt)}$${base64(key)}`;
}

/** Null where it is none, or takes more memory or time than a log-in may. */
export function parseHash(text: string): PasswordHash | null {
  const [, ln, r, p, salt = "", key = ""] = FORMAT.exec(text) ?? [];
  if (ln === undefined) return null;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const block = 2 ** cost.ln * cost.r;
  if (cost.ln < 1 || block < 1 || cost.p < 1) return null;
  if (128 * block > MOST_MEMORY || block * cost.p > MOST_WORK) return null;
  return { ...cost, salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
}

/** What no password fits, and takes as long to find out as `like` does. */
export const decoyHash = (like: Cost = COST): PasswordHash => ({
  ln: like.ln,
  r: like.r,
  p: like.p,
  salt: randomBytes(SALT_BYTES),
  key: randomBytes(KEY_BYTES),
});

/** In constant time, in a thread of Node's pool. */
export async function verifyPassword(password: Buffer, hash: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, hash), hash.key);
}

function derive(password: Buffer, { ln, r, p, salt, key }: PasswordHash): Promise<Buffer> {
  const options = { N: 2 ** ln, r, p, maxmem: 2 * MOST_MEMORY };
  return new Promise((resolve, reject) =>
    scrypt(password, salt, key.length, options, (error, derived) =>
      error ? reject(error) : resolve(derived),
    ),
  );
}
