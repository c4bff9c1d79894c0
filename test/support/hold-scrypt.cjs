// Preloaded into a broker: tells of each password that it hashes, and ends none while it is told to hold them.
const crypto = require("node:crypto");
const { scrypt } = crypto;
let isHeld = false;
let running = 0;
const waiting = [];
crypto.scrypt = (password, salt, length, { N, r, p, maxmem }, done) => {
  running += 1;
  process.stderr.write(`hashing N=${N} r=${r} p=${p} running=${running}\n`);
  const finish = () =>
    scrypt(password, salt, length, { N, r, p, maxmem }, (error, key) => {
      running -= 1;
      process.stderr.write("hashed\n");
      done(error, key);
    });
  if (isHeld) waiting.push(finish);
  else finish();
};
process.on("message", message => {
  if (message === "hold") {
    isHeld = true;
    process.stderr.write("held\n");
  }
  if (message !== "go on") return;
  isHeld = false;
  for (const finish of waiting.splice(0)) finish();
});
