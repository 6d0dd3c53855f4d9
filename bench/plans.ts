// What Postgres does for a query of ours: by its own auto_explain, so that every statement is told as it
// ran, and none is copied out of the code.
import { open, stat } from "node:fs/promises";
import pg from "pg";
import { z } from "zod";

/** Makes Postgres write down the plans of all statements of connections that are opened from now on. */
export async function explainAll(databaseUrl: string): Promise<void> {
  const name = new URL(databaseUrl).pathname.slice(1);
  const settings = {
    session_preload_libraries: "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_nested_statements": "on",
  };
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const [setting, value] of Object.entries(settings)) {
      await client.query(`ALTER DATABASE "${name}" SET ${setting} = '${value}'`);
    }
  } finally {
    await client.end();
  }
}

export interface Plan {
  readonly text: string;
  /** How each table was read: "Index Scan WorkerSession_pkey", or "Seq Scan Runner". */
  readonly scans: readonly string[];
  /** All rows that it looked at, those included that a filter then removed. */
  readonly rows: number;
}

/** The plans of what `act` made Postgres do. */
export async function collectPlans(
  logFile: string,
  act: () => Promise<unknown>,
): Promise<readonly Plan[]> {
  const { size } = await stat(logFile);
  await act();
  const file = await open(logFile);
  try {
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc((await file.stat()).size - size),
      position: size,
    });
    return readPlans(buffer.subarray(0, bytesRead).toString("utf8"));
  } finally {
    await file.close();
  }
}

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string | undefined;
  readonly "Index Name"?: string | undefined;
  readonly "Actual Rows"?: number | undefined;
  readonly "Actual Loops"?: number | undefined;
  readonly "Rows Removed by Filter"?: number | undefined;
  readonly "Rows Removed by Index Recheck"?: number | undefined;
  readonly Plans?: readonly PlanNode[] | undefined;
}

const planNode: z.ZodType<PlanNode> = z.object({
  "Node Type": z.string(),
  "Relation Name": z.string().optional(),
  "Index Name": z.string().optional(),
  "Actual Rows": z.number().optional(),
  "Actual Loops": z.number().optional(),
  "Rows Removed by Filter": z.number().optional(),
  "Rows Removed by Index Recheck": z.number().optional(),
  get Plans() {
    return z.array(planNode).optional();
  },
});
const entry = z.object({ "Query Text": z.string(), Plan: planNode });

/** An entry of the log begins with its time, and its further lines with a tab. */
function readPlans(log: string): Plan[] {
  return log
    .split(/\n(?!\t)/)
    .filter((text) => text.includes(" plan:\n"))
    .map((text) => {
      const json: unknown = JSON.parse(text.slice(text.indexOf(" plan:\n") + 7));
      const { "Query Text": query, Plan: root } = entry.parse(json);
      const nodes = flatten(root).filter((node) => isScan(node));
      return {
        text: query.replaceAll(/\s+/g, " ").trim(),
        scans: nodes.map(describe),
        rows: nodes.reduce((sum, node) => sum + rowsOf(node), 0),
      };
    });
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}

function isScan(node: PlanNode): boolean {
  return node["Relation Name"] !== undefined && node["Node Type"] !== "ModifyTable";
}

function describe(node: PlanNode): string {
  // A bitmap's index is named by the node below, and told by its table here.
  return `${node["Node Type"]} ${node["Index Name"] ?? node["Relation Name"] ?? ""}`;
}

function rowsOf(node: PlanNode): number {
  const rows =
    (node["Actual Rows"] ?? 0) +
    (node["Rows Removed by Filter"] ?? 0) +
    (node["Rows Removed by Index Recheck"] ?? 0);
  return rows * (node["Actual Loops"] ?? 1);
}
