// Has the sandbox prove itself, as the user who runs this: what it said against it, or null.
import { proveSandbox } from "../../../src/sandbox/canary.ts";
import { userOf } from "../../../src/sandbox/users.ts";

export interface CanaryInput {
  readonly base: string;
  readonly bubblewrap: string;
  /** Paths that workers are to be shown, such as, by mistake, all. */
  readonly readable: readonly string[];
}

const { base, bubblewrap, readable } = JSON.parse(process.argv[2] ?? "") as CanaryInput;
try {
  await proveSandbox({
    folder: base,
    context: { bubblewrap, hidden: [] },
    user: await userOf(base),
    programs: { files: [], links: {} },
    readable,
  });
  console.log("null");
} catch (error) {
  console.log(
    JSON.stringify(
      error instanceof Error
        ? `${"code" in error ? String(error.code) : ""} ${error.message}`
        : error,
    ),
  );
}
