import { PrismaPg } from "@prisma/adapter-pg";
import type { SqlQuery, SqlQueryable } from "@prisma/driver-adapter-utils";
import { toStorableJson } from "../text.ts";

/**
 * Makes the JSON columns of Prisma's own statements storable: those statements have no cast by which
 * pool-client.ts, which does the same for everything else, could know them.
 */
export class StorablePrismaPg extends PrismaPg {
  // Said, since the declarations of the package can name no class of its driver's own.
  override async connect(): Promise<Awaited<ReturnType<PrismaPg["connect"]>>> {
    const adapter = withStorableJson(await super.connect());
    const start = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (level) => withStorableJson(await start(level));
    return adapter;
  }
}

function withStorableJson<Queryable extends SqlQueryable>(queryable: Queryable): Queryable {
  const queryRaw = queryable.queryRaw.bind(queryable);
  const executeRaw = queryable.executeRaw.bind(queryable);
  queryable.queryRaw = (query) => queryRaw(toStorableQuery(query));
  queryable.executeRaw = (query) => executeRaw(toStorableQuery(query));
  return queryable;
}

function toStorableQuery({ sql, args, argTypes }: SqlQuery): SqlQuery {
  const storable = args.map((arg, index) =>
    typeof arg === "string" && argTypes[index]?.scalarType === "json" ? toStorableJson(arg) : arg,
  );
  return { sql, args: storable, argTypes };
}
