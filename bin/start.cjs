// Starts a built command, or shows how to build it. Runs on any Node, so that an old one gets a message too.
const path = require("node:path");

// The same as package.json's engines.
const [major, minor] = process.versions.node.split(".").map(Number);
const isSupported = major >= 23 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);

module.exports = name => {
  const fail = (reason, hint) => {
    process.stderr.write(`${name}: ${reason}\n  ${hint}\n`);
    process.exitCode = 1;
  };
  if (!isSupported)
    return fail(
      `this is Node.js ${process.versions.node}, and it takes 20.19, 22.12, 23 or newer.`,
      "Install a current one from nodejs.org, then try again.",
    );
  const built = path.join(__dirname, "..", "dist", name + ".cjs");
  try {
    require.resolve(built);
  } catch {
    return fail("this clone has not been built yet.", "Run npm install here first.");
  }
  require(built);
};
