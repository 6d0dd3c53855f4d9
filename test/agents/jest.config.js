// `npm run test:agents`: the real agents, which are installed first and take minutes.
import base from "../../jest.config.js";

const { FACTORY_AGENT_SECONDS: seconds } = process.env;
if (seconds !== undefined) {
  if (!(Number(seconds) > 0)) throw new Error("FACTORY_AGENT_SECONDS must be a number of seconds");
  process.env.FACTORY_AGENT_DEADLINE = String(Date.now() + Number(seconds) * 1000);
}

export default {
  ...base,
  rootDir: "../..",
  testMatch: ["<rootDir>/test/agents/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  testSequencer: "<rootDir>/test/agents/sequencer.js",
  reporters: ["default", "<rootDir>/test/agents/skipped.js"],
  testTimeout: 90_000,
  // They are heavy, and what they take depends on each other.
  maxWorkers: 1,
};
