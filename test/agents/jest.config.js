// `npm run test:agents`: the real agents, which are installed first and take minutes.
import base from "../../jest.config.js";

export default {
  ...base,
  rootDir: "../..",
  testMatch: ["<rootDir>/test/agents/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  testTimeout: 90_000,
  // They are heavy, and what they take depends on each other.
  maxWorkers: 1,
};
