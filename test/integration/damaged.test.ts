// Folders of sessions that were damaged while no server looked: each session ends with the truth, and no other
// is touched.
import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { identitySchema } from "../../src/process/identity.ts";
import { readProcess } from "../../src/process/proc.ts";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { startGitServer, type GitServer } from "../support/git-server.ts";
import {
  createGate,
  dispatch,
  eventually,
  isAlive,
  untilEnded,
  untilPrinted,
  type Gate,
} from "../support/workers.ts";

let git: GitServer;
let server: FactoryServer;
let ending: Gate;
let staying: Gate;
const repository = { owner: "acme", name: "app" };

beforeAll(async () => {
  git = await startGitServer();
  await git.createRepository("acme", "app");
  server = await startFactory({ git, env: { FACTORY_MAX_WORKERS: "16" } });
  ending = await createGate();
  staying = await createGate();
});

afterAll(async () => {
  await ending.dispose();
  await staying.dispose();
  await server.dispose();
  await git.stop();
});

interface Case {
  readonly what: string;
  /** Whether it ends while the server is down. */
  readonly ends: boolean;
  readonly damage: (folder: string) => Promise<void>;
  readonly expected: Readonly<Record<string, unknown>>;
}

const lost = (reason: string) => ({
  status: "LOST",
  exitCode: null,
  statusReason: expect.stringContaining(reason),
});
const known = { status: "FAILED", exitCode: 5, statusReason: "exit code 5" };

const cases: readonly Case[] = [
  {
    what: "an identity that is cut off, of one that runs: the database knows it",
    ends: false,
    damage: (folder) => truncate(join(folder, "identity.json"), 20),
    expected: { status: "SUCCEEDED", exitCode: 0 },
  },
  {
    what: "an identity that names another process, of one that runs",
    ends: false,
    async damage(folder) {
      const file = join(folder, "identity.json");
      const identity = identitySchema.parse(JSON.parse(await readFile(file, "utf8")));
      // This process is the stranger: it would not live to say so.
      const { startTime } = readProcess(process.pid)!;
      const stranger = { pid: process.pid, startTime, processGroup: process.pid };
      await writeFile(
        file,
        `${JSON.stringify({ ...identity, shim: stranger, agent: stranger, relay: stranger })}\n`,
      );
    },
    expected: { status: "SUCCEEDED", exitCode: 0 },
  },
  {
    what: "an end that its shim didn't write, of one that runs",
    ends: false,
    damage: (folder) =>
      writeFile(
        join(folder, "exit.json"),
        `{"exitCode":3,"signal":null,"endedAt":"2099-01-01T00:00:00.000Z","endedTick":1}`,
      ),
    expected: { status: "SUCCEEDED", exitCode: 0 },
  },
  {
    what: "an end that its shim didn't write, of one that ended",
    ends: true,
    async damage(folder) {
      const file = join(folder, "exit.json");
      const own = await readFile(file, "utf8");
      await writeFile(file, own.replace('"exitCode":5', '"exitCode":0'));
    },
    expected: lost("exit.json was not written by the worker's shim"),
  },
  {
    what: "a link to another folder in its place, of one that runs",
    ends: false,
    async damage(folder) {
      await rename(folder, `${folder}.away`);
      await symlink(`${folder}.away`, folder);
    },
    expected: lost("its session folder is gone"),
  },
  {
    what: "no folder, of one that runs",
    ends: false,
    damage: (folder) => rm(folder, { recursive: true }),
    expected: lost("its session folder is gone"),
  },
  {
    what: "an exit file that is none, of one that ended",
    ends: true,
    damage: (folder) => writeFile(join(folder, "exit.json"), "\0\0\0garbage"),
    expected: lost("exit.json is damaged"),
  },
  {
    what: "an exit file that can't be read, of one that ended",
    ends: true,
    async damage(folder) {
      await rm(join(folder, "exit.json"));
      await mkdir(join(folder, "exit.json"));
    },
    expected: lost("exit.json"),
  },
  {
    what: "an identity that is cut off, of one that ended",
    ends: true,
    damage: (folder) => truncate(join(folder, "identity.json"), 20),
    expected: { ...known, stdout: expect.stringMatching(/^\d+\nlast\n$/) },
  },
  {
    what: "no file of its output, of one that ended",
    ends: true,
    damage: (folder) => rm(join(folder, "stdout")),
    expected: { ...known, stdout: expect.stringMatching(/^\d+\n$/) },
  },
  {
    what: "nothing, of one that runs",
    ends: false,
    damage: async () => {},
    expected: { status: "SUCCEEDED", exitCode: 0 },
  },
];

test("damage done while the server was down ends its own session alone", async () => {
  const workers = await Promise.all(
    cases.map(({ ends }) =>
      dispatch(server, {
        parentSession: "damaged",
        repository,
        task: ends
          ? `echo $$; ${ending.wait}; echo last; exit 5`
          : `echo $$; ${staying.wait}; exit 0`,
      }),
    ),
  );
  const pids = await Promise.all(
    workers.map(async ({ id }) => Number(await untilPrinted(server, id, "\n"))),
  );
  await server.kill();
  const over = cases.filter(({ ends }) => ends).length;
  await ending.open(over);
  const sessions = join(server.home, "sessions");
  const folders = await readdir(sessions);
  const folderOf = (index: number) => {
    const row = Buffer.from(workers[index]!.id, "base64").toString("utf8").split(":")[1] ?? "";
    const name = folders.find((one) => one.startsWith(row));
    if (name === undefined) throw new Error(`no folder of ${row} in ${folders.join(" ")}`);
    return join(sessions, name);
  };
  for (const [index, { ends, damage }] of cases.entries()) {
    if (ends) {
      await eventually(async () => (await readdir(folderOf(index))).includes("exit.json"));
      await eventually(async () => !(await isAlive(pids[index]!)));
    }
    await damage(folderOf(index));
  }
  server = await server.restart();
  const goesOn = ({ expected }: Case) => expected["status"] === "SUCCEEDED";
  // Those that go on come last: the gate would let through the others too.
  const inOrder = [...cases.entries()].toSorted(
    ([, a], [, b]) => Number(goesOn(a)) - Number(goesOn(b)),
  );
  let isOpen = false;
  for (const [index, one] of inOrder) {
    const { what, expected } = one;
    if (goesOn(one) && !isOpen) {
      isOpen = true;
      for (const [other, { what }] of inOrder.filter(([, each]) => goesOn(each))) {
        expect({ what, isAlive: await isAlive(pids[other]!) }).toEqual({ what, isAlive: true });
      }
      await staying.open(cases.filter(goesOn).length);
    }
    const ended = await untilEnded(server, workers[index]!.id);
    expect({ what, ...ended }).toMatchObject({ what, ...expected });
    expect(await isAlive(pids[index]!)).toBe(false);
    expect(ended.events.map(({ sequence }) => sequence)).toEqual(
      ended.events.map((_, place) => place + 1),
    );
  }
});
