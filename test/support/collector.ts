// A collector of OpenTelemetry traces on loopback: OTLP over HTTP, as JSON.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { eventually } from "./workers.ts";

type Value = string | number | boolean | undefined;

export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** undefined: the trace begins with it. */
  readonly parentSpanId: string | undefined;
  /** Milliseconds of the wall clock. */
  readonly start: number;
  readonly end: number;
  readonly failure: string | undefined;
  readonly attributes: Readonly<Record<string, Value>>;
  /** Of the server that sent it. */
  readonly resource: Readonly<Record<string, Value>>;
}

export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** Of the requests so far. */
  readonly headers: readonly IncomingHttpHeaders[];
  /** From the next request on. Default: 200. */
  answer(status: number): void;
  /** The first span for which it holds. */
  find(holds: (span: CollectedSpan) => boolean): Promise<CollectedSpan>;
  stop(): Promise<void>;
}

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, Exclude<Value, undefined>>>;
}

/** Source: opentelemetry/proto/trace/v1/trace.proto, in its JSON form. */
interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly status?: { readonly code?: number; readonly message?: string };
        readonly attributes: readonly KeyValue[];
      }[];
    }[];
  }[];
}

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const headers: IncomingHttpHeaders[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      headers.push(request.headers);
      const isRight = request.url === "/v1/traces" && request.method === "POST";
      if (status === 200 && isRight) spans.push(...read(JSON.parse(body) as ExportRequest));
      response.writeHead(isRight ? status : 404, { "content-type": "application/json" }).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${String(address.port)}`,
    spans,
    headers,
    answer(code) {
      status = code;
    },
    async find(holds) {
      await eventually(() => spans.some(holds));
      return spans.find(holds)!;
    },
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function read({ resourceSpans }: ExportRequest): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => ({
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        start: Number(BigInt(span.startTimeUnixNano) / 1_000_000n),
        end: Number(BigInt(span.endTimeUnixNano) / 1_000_000n),
        failure: span.status?.code === 2 ? (span.status.message ?? "") : undefined,
        attributes: record(span.attributes),
        resource: record(resource.attributes),
      })),
    ),
  );
}

function record(attributes: readonly KeyValue[]): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, Object.values(value)[0]] as const),
  );
}
