/** Spans as a collector receives them: the real server, and a server of this test in the collector's place. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { post, textOf } from "./requests.ts";
import { startServer } from "./server.ts";

setDefaultTimeout(60_000);

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: object }[] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

function startCollector() {
  const received: Export[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/v1/traces": {
        async POST(request) {
          received.push((await request.json()) as Export);
          return Response.json({});
        },
      },
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    resources: () => received.flatMap(({ resourceSpans }) => resourceSpans),
    spans: () =>
      received.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      ),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

test("a request's spans tell of its admission, decoding and run, within the caller's trace, and not what was said", async () => {
  await using collector = startCollector();
  await using server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
  const body = new FormData();
  body.append("file", Bun.file("test/fixtures/en-digits.wav"));
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", headers, body });
  expect(await textOf(response)).toBe("One two three four five.");
  const refused = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST" });
  expect(refused.status).toBe(415);
  expect(await server.stop()).toBe(0);

  const spans = collector.spans();
  const [root] = spans.filter(({ traceId: id, name }) => id === traceId && name.startsWith("POST"));
  expect(root).toMatchObject({ name: "POST /v1/audio/transcriptions", parentSpanId: "b7ad6b7169203331" });
  expect(root?.attributes).toContainEqual({ key: "http.response.status_code", value: { intValue: 200 } });
  expect(root?.attributes).toContainEqual({
    key: "whisper.request_id",
    value: { stringValue: response.headers.get("x-request-id") },
  });
  const children = spans.filter(({ parentSpanId }) => parentSpanId === root?.spanId).map(({ name }) => name);
  expect(children).toEqual(expect.arrayContaining(["admission", "decode", "run"]));
  expect(JSON.stringify(spans)).not.toContain("three");
  expect(collector.resources()[0]?.resource.attributes).toContainEqual({
    key: "service.name",
    value: { stringValue: "whisper-api" },
  });
});

test("a collector that is away costs no request, and ends with 0 all the same", async () => {
  await using server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" } });
  expect(await textOf(await post(server))).toBe("One two three four five.");
  expect(await server.stop()).toBe(0);
});
