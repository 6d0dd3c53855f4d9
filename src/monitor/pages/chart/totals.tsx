import { tellCost, tellNumber } from "../../components/words.ts";
import { tellExact } from "./axis.ts";
import { totalsOf, type Bar } from "./phases.ts";

/** What it came to. */
export function TotalsView({
  bars,
  now,
  maxCostUsd,
}: {
  bars: readonly Bar[];
  now: number;
  /** null: no limit. */
  maxCostUsd: number | null;
}) {
  const { wallMs, spent, parallel, peak } = totalsOf(bars, now);
  const usage = sumUsage(bars);
  return (
    <dl className="totals">
      <Total label="Workers" value={bars.length.toLocaleString("en")} />
      <Total label="From first to last" value={tellExact(wallMs)} />
      <Total label="Run time, all together" value={tellExact(spent.RUNNING)} />
      <Total
        label="Running at once"
        value={parallel.toFixed(parallel < 1 ? 2 : 1)}
        detail={`on average, ${String(peak)} at most`}
      />
      <Total
        label="Spent waiting"
        value={tellExact(spent.QUEUED + spent.WAITING)}
        detail={`${tellExact(spent.QUEUED)} in the queue, ${tellExact(spent.WAITING)} for answers`}
      />
      {usage !== undefined && (
        <Total
          label="Cost"
          value={usage.costUsd === null ? "not told" : tellCost(usage.costUsd)}
          detail={`${tellNumber(usage.inputTokens + usage.outputTokens)} tokens${tellLimit(maxCostUsd)}`}
        />
      )}
    </dl>
  );
}

function tellLimit(maxCostUsd: number | null): string {
  return maxCostUsd === null ? "" : `; at most ${tellCost(maxCostUsd)}`;
}

function Total({ label, value, detail }: { label: string; value: string; detail?: string }) {
  return (
    <div className="total">
      <dt>{label}</dt>
      <dd>
        <span className="total-value">{value}</span>
        {detail !== undefined && <span className="total-detail">{detail}</span>}
      </dd>
    </div>
  );
}

function sumUsage(bars: readonly Bar[]) {
  const told = bars.flatMap(({ worker }) => worker.usage ?? []);
  if (told.length === 0) return undefined;
  const costs = told.flatMap(({ costUsd }) => costUsd ?? []);
  return {
    costUsd: costs.length === 0 ? null : costs.reduce((sum, cost) => sum + cost, 0),
    inputTokens: told.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
    outputTokens: told.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
  };
}
