// Jest runs the sources as they are: TypeScript as ES modules, types stripped by swc.
export default {
  testEnvironment: "node",
  roots: ["<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  // `npm run test:agents` runs those that need programs from a registry, `npm run screenshots` those that take pictures.
  testPathIgnorePatterns: [
    "/node_modules/",
    "<rootDir>/test/agents/",
    "<rootDir>/test/screenshots/",
  ],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2024" }, module: { type: "es6" } },
    ],
  },
  globalSetup: "<rootDir>/test/support/global-setup.ts",
  globalTeardown: "<rootDir>/test/support/global-teardown.ts",
  testTimeout: 60_000,
  maxWorkers: 2,
};
