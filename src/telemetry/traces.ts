// Sends the spans of dispatches to an OpenTelemetry collector. Loaded only where an endpoint is set.
import {
  SpanKind,
  SpanStatusCode,
  type Attributes,
  type HrTime,
  type SpanContext,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes, type Resource } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";
import type { Logger } from "../log.ts";
import { measurements, type EndedSpan, type Facts } from "../measurements.ts";
import { splitTraceparent } from "../trace-context.ts";

/** What waits for the endpoint; beyond that spans are dropped. */
const mostWaiting = 2_048;
const sendEveryMs = 2_000;
/** For one sending, further tries included. */
const sendTimeoutMs = 5_000;
/** What is left at a stop is sent within this time, or not at all. */
const closeTimeoutMs = 1_500;
const scope = { name: "factory" };

export interface TraceOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of this server, as OpenTelemetry names them: service.name and so on. */
  readonly resource: Readonly<Record<string, string>>;
  readonly logger: Logger;
}

export interface Traces {
  close(): Promise<void>;
}

export function exportTraces({ url, headers, resource: names, logger }: TraceOptions): Traces {
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: sendTimeoutMs,
  });
  const processor = new BatchSpanProcessor({
    exporter: tellOutages(exporter, url, logger),
    maxQueueSize: mostWaiting,
    scheduledDelayMillis: sendEveryMs,
  });
  const resource = resourceFromAttributes(names);
  const keep = (span: EndedSpan) => {
    processor.onEnd(toReadable(span, resource));
  };
  measurements.on("span", keep);
  return {
    async close() {
      measurements.off("span", keep);
      const timeout = AbortSignal.timeout(closeTimeoutMs);
      const late = new Promise((resolve) => {
        timeout.addEventListener("abort", resolve, { once: true });
      });
      // That the last ones could not be sent was told by then.
      await Promise.race([processor.shutdown().catch(() => undefined), late]);
    },
  };
}

/** Once when it begins, and once when it is over. */
function tellOutages(exporter: SpanExporter, url: string, logger: Logger): SpanExporter {
  let isAway = false;
  return {
    export(spans, tell) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined && !isAway) {
          const message = "traces can't be sent: they are dropped until the endpoint takes them";
          logger.warn({ url, reason: result.error.message }, message);
        }
        if (result.error === undefined && isAway) logger.info({ url }, "traces are sent again");
        isAway = result.error !== undefined;
        tell(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

function toReadable(span: EndedSpan, resource: Resource): ReadableSpan {
  const { name, facts, startedAt, milliseconds, failure, traceparent, parent } = span;
  const status =
    failure === undefined
      ? { code: SpanStatusCode.UNSET }
      : { code: SpanStatusCode.ERROR, message: failure };
  return {
    name: nameOf(span),
    kind: name === "dispatch" ? SpanKind.SERVER : SpanKind.INTERNAL,
    spanContext: () => contextOf(traceparent),
    ...(parent === undefined ? {} : { parentSpanContext: contextOf(parent) }),
    startTime: toTime(startedAt.getTime()),
    endTime: toTime(startedAt.getTime() + milliseconds),
    duration: toTime(milliseconds),
    // A command's exit code is an answer more often than a mistake; the step that asked for it says.
    status:
      name === "git" && facts["outcome"] === "failed" ? { code: SpanStatusCode.UNSET } : status,
    attributes: attributesOf(facts),
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** With what tells it from its like: git fetch, session worker-3. */
function nameOf({ name, facts }: EndedSpan): string {
  const more = name === "git" ? facts["command"] : undefined;
  return more === undefined ? name : `${name} ${String(more)}`;
}

function contextOf(traceparent: string): SpanContext {
  const { traceId, spanId, flags } = splitTraceparent(traceparent);
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}

function attributesOf(facts: Facts): Attributes {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [`factory.${toSnakeCase(name)}`, value]),
  );
}

/** As OpenTelemetry's own attributes are written. */
function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Seconds and nanoseconds. */
function toTime(milliseconds: number): HrTime {
  const seconds = Math.floor(milliseconds / 1000);
  return [seconds, Math.round((milliseconds - seconds * 1000) * 1e6)];
}
