import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, test } from "@jest/globals";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import { openMonitor } from "../support/monitor.ts";
import { answer, untilAsked } from "../support/talks.ts";
import { createGate, untilEnded, type Gate } from "../support/workers.ts";
import { begin, place, type Planned } from "./schedule.ts";

const docs = join(import.meta.dirname, "..", "..", "docs");

let git: GitServer;
let factory: FactoryServer;
let browser: TestBrowser;
let gate: Gate;
let folder: string;

beforeAll(async () => {
  await mkdir(docs, { recursive: true });
  folder = await mkdtemp(join(tmpdir(), "factory-screenshots-"));
  const program = join(import.meta.dirname, "..", "support", "acp-agent.ts");
  const spoken = { command: [process.execPath, program], protocol: "acp" };
  const plain = {
    command: ["bash", "-c", 'eval "$(tail -n 1 <<<"$FACTORY_TASK")"'],
    protocol: "plain",
  };
  const agents = { claude: spoken, codex: plain, gemini: plain };
  await writeFile(join(folder, "agents.json"), JSON.stringify({ agents }));
  git = await startGitServer();
  await git.createRepository("acme", "storefront", {
    files: {
      "src/refunds.ts": [
        'import { writeEntry } from "./ledger.ts";',
        "",
        "/** Books a refund. */",
        "export async function refund(order: Order): Promise<void> {",
        "  const amount = convert(order.total, order.currency);",
        "  await legacyLedger.write({ order: order.id, amount });",
        "}",
        "",
      ].join("\n"),
    },
  });
  [factory, browser, gate] = await Promise.all([
    startFactory({
      git,
      env: {
        FACTORY_AGENTS: join(folder, "agents.json"),
        FACTORY_MAX_WORKERS: "5",
        FACTORY_PERMISSIONS: "ASK",
      },
    }),
    startBrowser(),
    createGate(),
  ]);
}, 120_000);

afterAll(async () => {
  await browser.close();
  await gate.dispose();
  await factory.dispose();
  await git.stop();
  await rm(folder, { recursive: true, force: true });
});

const refunds = [
  "Move refunds to the new ledger.",
  "Keep the old writer until the nightly run has passed, and ask before you push.",
  "do: think Two writers reach the ledger. Only one of them converts the currency before the fee.",
  "do: plan Find every writer | Move refunds | Run the tests | Push",
  "do: tool search writeEntry|legacyLedger",
  "do: tool read src/refunds.ts",
  "do: say Refunds still go through `legacyLedger.write`, which rounds after the fee. I'll book them with `writeEntry` and leave the old writer in place behind a flag.",
  "do: commit src/refund-entry.ts",
  "do: tool execute npm test -- refunds",
  "do: usage 91400 7050 1.86",
  "do: say All 41 tests pass. The branch is ready.",
  "do: ask git push origin feat/refund-ledger",
].join("\n");

/** Minutes since the first dispatch: queued, preparing, running, and so on to its end. */
const plan: readonly Planned[] = [
  {
    branch: "feat/checkout",
    agent: "codex",
    ends: "exit 0",
    minutes: [0, 0.2, 0.6, 14],
    costUsd: 2.31,
  },
  {
    branch: "feat/checkout-address",
    agent: "gemini",
    ends: "exit 0",
    minutes: [0.4, 0.6, 1.1, 7],
    costUsd: 0.42,
  },
  {
    branch: "feat/checkout-summary",
    agent: "gemini",
    ends: "exit 0",
    minutes: [0.4, 0.7, 1.2, 9.5],
    costUsd: 0.55,
  },
  {
    branch: "feat/vouchers",
    agent: "claude",
    ends: "ask",
    minutes: [0.9, 1.1, 1.7, 5, 9, 17],
    costUsd: 1.12,
  },
  {
    branch: "fix/cart-rounding",
    agent: "codex",
    ends: "exit 0",
    minutes: [1.4, 1.6, 2, 4.2],
    costUsd: 0.18,
  },
  {
    branch: "fix/image-pipeline",
    agent: "codex",
    ends: "exit 1",
    minutes: [1.5, 4.3, 4.8, 12],
    costUsd: 1.4,
  },
  {
    branch: "chore/links",
    agent: "gemini",
    ends: "exit 0",
    minutes: [1.6, 7.1, 7.5, 10],
    costUsd: 0.07,
  },
  {
    branch: "test/checkout-e2e",
    agent: "claude",
    ends: "exit 0",
    minutes: [2, 9.6, 10.2, 26],
    costUsd: 2.74,
  },
  {
    branch: "docs/changelog-2.4",
    agent: "gemini",
    ends: "exit 0",
    minutes: [3, 10.2, 10.5, 13],
    costUsd: 0.11,
  },
  {
    branch: "feat/wishlist",
    agent: "codex",
    ends: "exit 0",
    minutes: [5, 12.2, 12.6, 21],
    costUsd: 0.96,
  },
  {
    branch: "fix/image-pipeline",
    agent: "codex",
    ends: "exit 0",
    minutes: [13, 13.2, 13.7, 24.5],
    costUsd: 1.66,
  },
  {
    branch: "chore/flaky-tests",
    agent: "gemini",
    ends: "exit 0",
    minutes: [14, 14.3, 14.8, 19],
    costUsd: 0.24,
  },
];

const live: readonly Planned[] = [
  {
    branch: "feat/search",
    agent: "codex",
    ends: "stays",
    minutes: [18, 19.2, 19.7],
    costUsd: 1.02,
  },
  {
    branch: "feat/search-filters",
    agent: "gemini",
    ends: "stays",
    minutes: [20, 21.2, 21.6],
    costUsd: 0.35,
  },
  {
    branch: "perf/product-page",
    agent: "codex",
    ends: "stays",
    minutes: [22, 24.7, 25.1],
    costUsd: 0.48,
  },
];

test("the pages of a worker and of its parent's time", async () => {
  const parent = "release-2.4";
  for (const planned of plan) {
    const worker = await begin(factory, gate, parent, planned);
    if (planned.ends === "ask") {
      const { id } = await untilAsked(factory, worker.name);
      await answer(factory, { id: worker.id, requestId: id, optionId: "yes" });
    }
    await untilEnded(factory, worker.name);
    await place(factory, worker, planned);
  }
  for (const planned of live)
    await place(factory, await begin(factory, gate, parent, planned), planned);
  const asking = {
    branch: "feat/refund-ledger",
    agent: "claude",
    ends: "asks",
    task: refunds,
    minutes: [17, 17.3, 17.8, 25.6],
    costUsd: 1.86,
  } as const;
  const worker = await begin(factory, gate, parent, asking);
  await untilAsked(factory, worker.name);
  await place(factory, worker, asking);
  const queued = {
    branch: "feat/search",
    agent: "codex",
    ends: "waits",
    minutes: [23],
    costUsd: null,
  } as const;
  await place(factory, await begin(factory, gate, parent, queued), queued);

  for (const colorScheme of ["light", "dark"] as const) {
    const viewport = { width: 1200, height: 800 };
    const { page } = await openMonitor(browser, factory, `/workers/${worker.name}`, {
      colorScheme,
      viewport,
    });
    await page.getByText("asks for permission").waitFor();
    await page.getByText("All 41 tests pass").waitFor();
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(docs, `worker-${colorScheme}.png`) });
    await page.goto(`${factory.url}/parents/${parent}/time`);
    await page.getByRole("link", { name: /^worker-4 / }).hover();
    await page.locator(".bar-details").getByText("feat/vouchers").waitFor();
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(docs, `time-${colorScheme}.png`) });
  }
}, 240_000);
