// npm run screenshots: the pictures of the README, of a real server in the middle of its work.
import base from "../../jest.config.js";

export default {
  ...base,
  rootDir: "../..",
  roots: ["<rootDir>/test/screenshots"],
  testPathIgnorePatterns: ["/node_modules/"],
};
