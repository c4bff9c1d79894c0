// Starts a built command, or says how to build it. Written for any Node, so that an old one gets a sentence too.
const path = require("node:path");

module.exports = name => {
  const built = path.join(__dirname, "..", "dist", name + ".cjs");
  try {
    require.resolve(built);
  } catch {
    process.stderr.write(`${name}: this clone has not been built yet.\n  Run npm install here first.\n`);
    process.exitCode = 1;
    return;
  }
  require(built);
};
