// A server as it looks in the middle of a day: for pictures, and for looking at the monitor while it is made.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFactory, type FactoryServer } from "./factory.ts";
import { startMember } from "./family.ts";
import { startGitServer, type GitServer } from "./git-server.ts";
import { untilAsked } from "./talks.ts";
import { cancel, createGate, dispatch, untilEnded, untilPrinted } from "./workers.ts";

export interface Demo {
  readonly factory: FactoryServer;
  stop(): Promise<void>;
}

/** Does what follows the first line of its task: which is what the monitor shows of it. */
const obedient = {
  command: ["bash", "-c", 'bash -c "$(tail -n +2 <<<"$FACTORY_TASK")"'],
  protocol: "plain",
};

const repositories = ["storefront", "payments", "handbook"];

export async function startDemo(): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), "factory-demo-"));
  const git = await startGitServer();
  const agentsFile = await writeAgents(folder);
  await Promise.all(
    repositories.map((name) =>
      git.createRepository("acme", name, { files: { "README.md": `# ${name}\n` } }),
    ),
  );
  const factory = await startFactory({
    git,
    env: {
      FACTORY_AGENTS: agentsFile,
      FACTORY_MAX_WORKERS: "7",
      FACTORY_PERMISSIONS: "ASK",
    },
  });
  await fill(factory, git);
  return {
    factory,
    async stop() {
      await factory.dispose();
      await git.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeAgents(folder: string): Promise<string> {
  const program = join(import.meta.dirname, "acp-agent.ts");
  const claude = {
    command: [process.execPath, program],
    protocol: "acp",
  };
  const file = join(folder, "agents.json");
  const agents = { claude, codex: obedient, gemini: obedient, opencode: obedient };
  await writeFile(file, JSON.stringify({ agents }));
  return file;
}

async function fill(factory: FactoryServer, git: GitServer): Promise<void> {
  const gate = await createGate();
  const repository = (name: string) => ({ owner: "acme", name });
  const commit = (file: string, message: string) =>
    `echo "$RANDOM" >${file}; git add ${file}; git -c user.name=agent -c user.email=agent@acme.test commit -qm '${message}'`;

  async function send(
    parentSession: string,
    agent: string,
    name: string,
    title: string,
    lines: readonly string[] = [],
    more: Readonly<Record<string, unknown>> = {},
  ) {
    return dispatch(factory, {
      parentSession,
      agent,
      repository: repository(name),
      task: [title, ...lines].join("\n"),
      ...more,
    });
  }

  const done = [
    await send(
      "nightly",
      "codex",
      "storefront",
      "Update the dependencies that have a security fix",
      [
        commit("package-lock.json", "Update three dependencies"),
        "factory report 'three updated, tests green' --outcome succeeded",
      ],
      { branch: "chore/security-updates" },
    ),
    await send("nightly", "gemini", "payments", "Find flaky tests of the last week", ["exit 0"], {
      branch: "chore/flaky-tests",
    }),
    await send(
      "nightly",
      "opencode",
      "handbook",
      "Check every link",
      ["echo 'docs/setup.md: 404'; exit 3"],
      {
        branch: "chore/links",
      },
    ),
    await send(
      "release-2.4",
      "claude",
      "storefront",
      "Write the changelog of 2.4",
      [
        "do: usage 48210 3120 0.41",
        "do: commit CHANGELOG.md",
        "do: say The changelog lists 14 changes, breaking ones first.",
      ],
      { branch: "docs/changelog-2.4" },
    ),
  ];
  for (const { name } of done) await untilEnded(factory, name);

  const stay = gate.wait;
  const lead = await startMember(factory, {
    parentSession: "release-2.4",
    repository: repository("storefront"),
    branch: "feat/checkout",
    agent: "codex",
    title: "Lead the checkout redesign: split it, dispatch, review",
  });
  for (const [branch, title, note] of [
    [
      "feat/checkout-address",
      "Address form: validate postcodes as people type",
      "form done, writing its tests",
    ],
    [
      "feat/checkout-summary",
      "Order summary that stays in view on a phone",
      "measuring the layout shift",
    ],
  ] as const) {
    const child = await dispatch(
      factory,
      {
        parentSession: lead.name,
        agent: "gemini",
        repository: repository("storefront"),
        branch,
        task: `${title}\nfactory report '${note}'; echo ready; ${stay}`,
      },
      lead.token,
    );
    await untilPrinted(factory, child.name, "ready");
  }
  const asking = await send(
    "release-2.4",
    "claude",
    "payments",
    "Move refunds to the new ledger",
    ["do: usage 91400 7050 1.86", "do: ask git push origin feat/refund-ledger"],
    { branch: "feat/refund-ledger" },
  );
  await untilAsked(factory, asking.name);
  const working = [
    await send(
      "ada",
      "codex",
      "payments",
      "Explain why settlement #8841 was rounded twice",
      ["factory report 'the currency is converted before and after the fee'; echo ready; " + stay],
      { issue: "8841", branch: "issue-8841" },
    ),
    await send(
      "ada",
      "opencode",
      "handbook",
      "Rewrite the onboarding page for contractors",
      ["echo ready; " + stay],
      { branch: "docs/contractors" },
    ),
  ];
  for (const { name } of working) await untilPrinted(factory, name, "ready");
  const failed = await send(
    "release-2.4",
    "codex",
    "storefront",
    "Make the image pipeline twice as fast",
    ["echo 'vips: out of memory'; exit 1"],
    { branch: "perf/images" },
  );
  await untilEnded(factory, failed.name);
  const unwanted = await send(
    "ada",
    "gemini",
    "handbook",
    "Translate the handbook to Latin",
    ["echo ready; " + stay],
    {
      branch: "feat/latin",
    },
  );
  await untilPrinted(factory, unwanted.name, "ready");
  await cancel(factory, unwanted.name, "not this year");
  await untilEnded(factory, unwanted.name);
  await send(
    "release-2.4",
    "claude",
    "storefront",
    "Review everything that merged since 2.3",
    ["do: wait-cancel"],
    {
      branch: "review/2.4",
    },
  );
  for (const [title, branch, priority] of [
    ["Hotfix: the cart loses its voucher", "fix/voucher", 10],
    ["Delete the code behind finished experiments", "chore/experiments", 0],
    ["Add alt texts to the product pictures", "feat/alt-texts", 0],
  ] as const) {
    await send("release-2.4", "codex", "storefront", title, [stay], { branch, priority });
  }
  await git.pushCommit("acme", "storefront", "main", { "news.md": "news\n" });
}
