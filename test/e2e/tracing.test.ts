/** Spans as a collector receives them: the real server, and a server of this test in the collector's place. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { receiver } from "../helpers/receiver.ts";
import { RealtimeClient, sound } from "./realtime-client.ts";
import { post, textOf } from "./requests.ts";
import { eventually, root, startServer, startWorker } from "./server.ts";
import { ended, send, type TaskBody } from "./tasks-client.ts";

setDefaultTimeout(60_000);

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
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

const attributesOf = ({ attributes }: Span) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** OTLP's numbers. */
const kinds = { internal: 1, server: 2, client: 3, consumer: 5 };

test("a request's trace has what it asked of the store, and none is made of looking", async () => {
  await using collector = startCollector();
  await using server = await startServer({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, RATE_LIMITS: "100/minute" },
  });
  expect(await textOf(await send(server.url, "en-digits.wav"))).toBe("One two three four five.");
  await eventually(
    async () => (await fetch(`${server.url}/metrics`)).text(),
    (text) => text.includes("\nwhisper_cache_entries 1\n"),
  );
  for (const path of ["/health", "/ready"]) await fetch(server.url + path);
  expect(await server.stop()).toBe(0);

  const spans = collector.spans();
  const named = (wanted: string) => spans.filter(({ name }) => name === wanted);
  const [root] = named("POST /v1/audio/transcriptions");
  for (const name of ["cache.get", "cache.put", "limiter.take"]) {
    const [span] = named(name);
    expect([name, span?.traceId]).toEqual([name, root?.traceId ?? "none"]);
    expect(span).toMatchObject({ kind: kinds.client });
    expect(span && attributesOf(span)).toEqual({ "db.system.name": "sqlite" });
  }
  expect(named("load model").map(attributesOf)).toEqual([{ "whisper.model": "demo" }]);
  const roots = spans.filter(({ parentSpanId }) => !parentSpanId).map(({ name }) => name);
  expect(roots.sort()).toEqual(["POST /v1/audio/transcriptions", "load model"]);
});

test("a task that another process does, and the webhook about it, belong to the trace of its request", async () => {
  await using collector = startCollector();
  await using target = receiver((number) => new Response(null, { status: number === 0 ? 503 : 200 }));
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, WEBHOOK_ALLOW_PRIVATE: "true" };
  await using server = await startServer({ env: { ...tracing, OTEL_SERVICE_NAME: "api", WORKER: "false" } });
  const secretUrl = `${target.url}/hooks/token-in-path?key=token-in-query`;
  const response = await send(server.url, "en-digits.wav", { async: "true", webhook_url: secretUrl });
  const { id } = (await response.json()) as TaskBody;
  await using worker = await startWorker({
    dataDir: server.dataDir,
    env: { ...tracing, OTEL_SERVICE_NAME: "worker" },
  });
  expect(await ended(server.url, id)).toMatchObject({ status: "completed" });
  await eventually(
    async () => target.received.length,
    (count) => count === 1,
  );
  const done = ({ message }: { message: string }) => message.startsWith("webhook ");
  await Promise.race([server.logged(done), worker.logged(done)]);
  expect(await worker.stop()).toBe(0);
  expect(await server.stop()).toBe(0);

  const spans = collector.spans();
  const [root] = spans.filter(({ name }) => name === "POST /v1/audio/transcriptions");
  const [task] = spans.filter(({ name }) => name === "task");
  expect(task).toMatchObject({
    ...{ traceId: root?.traceId ?? "", parentSpanId: root?.spanId ?? "", kind: kinds.consumer },
  });
  expect(task && attributesOf(task)).toEqual({
    "whisper.task_id": id,
    "whisper.task_attempt": 1,
    "whisper.request_id": response.headers.get("x-request-id"),
  });
  const within = spans.filter(({ parentSpanId }) => parentSpanId === task?.spanId).map(({ name }) => name);
  expect(within).toEqual(
    expect.arrayContaining(["admission", "decode", "run", "blobs.open", "tasks.append", "tasks.finish"]),
  );
  const [webhook] = spans.filter(({ name }) => name === "webhook");
  expect(webhook).toMatchObject({ traceId: root?.traceId ?? "", kind: kinds.client, status: { code: 2 } });
  expect(webhook && attributesOf(webhook)).toMatchObject({
    "http.request.method": "POST",
    "http.response.status_code": 503,
  });
  const services = collector
    .resources()
    .map(({ resource }) => resource.attributes.find(({ key }) => key === "service.name")?.value);
  expect(services).toEqual(expect.arrayContaining([{ stringValue: "api" }, { stringValue: "worker" }]));
  expect(JSON.stringify(spans)).not.toMatch(/token-in|127\.0\.0\.1|three/);
});

test("each pass over a live turn is one trace", async () => {
  await using collector = startCollector();
  await using server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
  using client = new RealtimeClient({ url: server.url });
  const audio = await sound("en-digits.wav", 16_000);
  client.whenOpen(() => {
    const transcription = { model: "whisper-1", language: "en" };
    client.configure({ turn_detection: null, transcription, format: { type: "audio/pcm", rate: 16_000 } });
    client.append(audio);
    client.send("input_audio_buffer.commit");
  });
  await client.has("completed");
  expect(await server.stop()).toBe(0);
  const spans = collector.spans();
  const [pass] = spans.filter(({ name }) => name === "pass");
  expect(pass && attributesOf(pass)).toEqual({ "whisper.session_id": expect.stringMatching(/^sess_/) });
  const children = spans.filter(({ parentSpanId }) => parentSpanId === pass?.spanId);
  expect(children.map(({ name }) => name)).toEqual(expect.arrayContaining(["admission", "decode", "run"]));
});

test("without a collector, nothing of OpenTelemetry is loaded but its interface", async () => {
  const program = `
    await import("./src/cli/serve.ts");
    const loaded = Object.keys(require.cache).filter((path) => path.includes("@opentelemetry"));
    console.log(JSON.stringify([...new Set(loaded.map((path) => /@opentelemetry\\/[^/]+/.exec(path)[0]))]));`;
  const child = Bun.spawn([process.execPath, "-e", program], { cwd: root, stderr: "inherit" });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual(["@opentelemetry/api"]);
});

test("a collector that is away costs no request, and ends with 0 all the same", async () => {
  await using server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" } });
  expect(await textOf(await post(server))).toBe("One two three four five.");
  expect(await server.stop()).toBe(0);
});
