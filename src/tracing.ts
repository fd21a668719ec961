/**
 * Spans of what a request went through, for OpenTelemetry. Without a collector they cost next to nothing: the API does nothing then,
 * and the rest of OpenTelemetry is not loaded.
 */
import { type Attributes, context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";

const tracer = () => trace.getTracer("whisper-api");

const kinds = { client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER, internal: SpanKind.INTERNAL };

interface Place {
  /** Where the trace began, in another process or at another time; null or absent: the span around it. */
  readonly parent?: string | null | undefined;
  /** client: something else is asked. consumer: what others have left to be done. */
  readonly kind?: keyof typeof kinds;
}

/**
 * Does `act` within a span, which is a child of the one around it. A failure is recorded by its code alone: messages may quote what a
 * client sent.
 */
export async function span<T>(
  name: string,
  attributes: Attributes,
  act: () => Promise<T>,
  { parent, kind = "internal" }: Place = {},
): Promise<T> {
  const around = parent ? propagation.extract(context.active(), { traceparent: parent }) : context.active();
  const own = tracer().startSpan(name, { kind: kinds[kind], attributes }, around);
  try {
    return await context.with(trace.setSpan(around, own), act);
  } catch (error) {
    own.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) });
    throw error;
  } finally {
    own.end();
  }
}

/** Adds to the span around it; `failed`: the code of a failure that is not thrown. */
export function annotate(attributes: Attributes, failed?: string): void {
  const around = trace.getActiveSpan()?.setAttributes(attributes);
  if (failed !== undefined) around?.setStatus({ code: SpanStatusCode.ERROR, message: failed });
}

/** Whether there is a span around it. */
export const isTraced = (): boolean => trace.getActiveSpan() !== undefined;

/** The span around it, for whoever continues its trace: see `Place`. null: there is none. */
export function traceparent(): string | null {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent ?? null;
}

/** A child of the span around it that ends when what it returns is called, once; with the code of a failure. */
export function openSpan(name: string, attributes: Attributes): (failed?: string) => void {
  const own = tracer().startSpan(name, { attributes });
  return (failed) => {
    if (failed !== undefined) own.setStatus({ code: SpanStatusCode.ERROR, message: failed });
    own.end();
  };
}

export interface RequestSpan {
  /** Does `act` within the span. */
  within<T>(act: () => Promise<T>): Promise<T>;
  /** When the whole answer has been sent. */
  end(status: number): void;
}

/** The span of a request: a child of the caller's, when he sent a `traceparent`. `route`: as it is declared. */
export function requestSpan(request: Request, route: string, requestId: string): RequestSpan {
  const caller = propagation.extract(context.active(), request.headers, {
    get: (headers, name) => headers.get(name) ?? undefined,
    keys: (headers) => [...headers.keys()],
  });
  const { method } = request;
  const attributes = {
    "http.request.method": method,
    "http.route": route,
    "whisper.request_id": requestId,
  };
  const own = tracer().startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes }, caller);
  return {
    within: (act) => context.with(trace.setSpan(caller, own), act),
    end(status) {
      own.setAttribute("http.response.status_code", status);
      if (status >= 500) own.setStatus({ code: SpanStatusCode.ERROR });
      own.end();
    },
  };
}

const codeOf = (error: unknown) => String((error as { code?: unknown }).code ?? (error as Error).name);

/** What a collector that does not answer may cost the end of the process. */
const lastWordMs = 1000;

/**
 * Sends spans to `endpoint` (OTLP over HTTP, `/v1/traces` is appended) from now on, in batches. What it returns sends the rest and
 * stops. A collector that is away costs spans, nothing else.
 */
export async function startTracing(
  endpoint: string,
  resource: { readonly service: string; readonly version: string },
): Promise<() => Promise<void>> {
  const [sdk, otlp, contexts, core, resources] = await Promise.all([
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/context-async-hooks"),
    import("@opentelemetry/core"),
    import("@opentelemetry/resources"),
  ]);
  const exporter = new otlp.OTLPTraceExporter({ url: `${endpoint}/v1/traces` });
  const provider = new sdk.TracerProvider({
    resource: resources.resourceFromAttributes({
      "service.name": resource.service,
      "service.version": resource.version,
    }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new contexts.AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  return async () => {
    const sent = provider.shutdown().catch(() => {});
    await Promise.race([sent, Bun.sleep(lastWordMs)]);
  };
}
