/** What operators see: the metrics of a real server that has done one of each thing, and the dashboard and alerts that ask for them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import parse from "parse-prometheus-text-format";
import { recording } from "../fixtures/index.ts";
import { selectorsOf } from "../helpers/promql.ts";
import { receiver } from "../helpers/receiver.ts";
import { RealtimeClient, sound } from "./realtime-client.ts";
import { post, running } from "./requests.ts";
import { eventually, root, type Server, startServer, startWorker } from "./server.ts";
import { ended, send, submit } from "./tasks-client.ts";

setDefaultTimeout(60_000);

type Labels = Readonly<Record<string, string>>;
interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** An exposition, for the questions of Prometheus. */
class Exposition {
  readonly families: readonly Family[];
  /** By the names that PromQL knows: of a histogram there are three. */
  private readonly series = new Map<string, Labels[]>();

  constructor(readonly text: string) {
    for (const [, name = "", inner = ""] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
      const pairs = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]);
      this.series.set(name, [...(this.series.get(name) ?? []), Object.fromEntries(pairs)]);
    }
    this.families = parse(text).map(({ name, type, help }) => {
      const own = [name, `${name}_count`].flatMap((each) => this.series.get(each) ?? []);
      return { name, type, help, labels: [...new Set(own.flatMap(Object.keys))].sort() };
    });
  }

  has(metric: string, matches: (labels: Labels) => boolean = () => true): boolean {
    // Prometheus' own, of each scrape
    return metric === "up" ? matches({}) : (this.series.get(metric)?.some(matches) ?? false);
  }

  value(line: string): number {
    const found = this.text.split("\n").find((each) => each.startsWith(`${line} `));
    return Number(found?.slice(line.length));
  }
}

const exposition = async (url: string) => new Exposition(await (await fetch(`${url}/metrics`)).text());

let server: Server;
let found: Exposition;

beforeAll(async () => {
  server = await startServer({ env: { WEBHOOK_ALLOW_PRIVATE: "true" } });
  await using target = receiver();
  await (await send(server.url, "en-digits.wav")).text();
  await eventually(
    async () => (await exposition(server.url)).value("whisper_cache_entries"),
    (entries) => entries === 1,
  );
  await (await send(server.url, "en-digits.wav")).text();
  const task = await submit(server.url, "en-sentence.wav", { webhook_url: target.url });
  await ended(server.url, task.id);
  using client = new RealtimeClient({ url: server.url });
  const audio = await sound("en-digits.wav", 16_000);
  client.whenOpen(() => {
    const transcription = { model: "whisper-1", language: "en" };
    client.configure({ turn_detection: null, transcription, format: { type: "audio/pcm", rate: 16_000 } });
    client.append(audio);
    client.send("input_audio_buffer.commit");
  });
  const [{ transcript } = { transcript: "" }] = await client.has("completed");
  expect(transcript).toBe(recording("en-digits.wav").text);
  found = await eventually(
    () => exposition(server.url),
    (found) => found.value('whisper_webhook_deliveries_total{status="delivered"}') === 1,
  );
});
afterAll(() => server[Symbol.asyncDispose]());

describe("/metrics of a server that has done one of each thing", () => {
  test.each([
    ['whisper_cache_results_total{outcome="hit"}', 1],
    ['whisper_cache_results_total{outcome="miss"}', 2],
    ["whisper_tasks_submitted_total", 1],
    ['whisper_task_duration_seconds_count{status="completed"}', 1],
    ['whisper_webhook_attempt_duration_seconds_count{answer="2xx"}', 1],
    ['whisper_live_turns_total{outcome="completed"}', 1],
    ["whisper_live_turn_wait_seconds_count", 1],
    ['whisper_runs_total{priority="request",outcome="done"}', 1],
    ['whisper_runs_total{priority="batch",outcome="done"}', 1],
    ['whisper_runs_total{priority="live",outcome="done"}', 1],
    ['whisper_model_load_seconds_count{outcome="loaded"}', 1],
    ['whisper_limit_refusals_total{budget="queue"}', 0],
    ['whisper_jobs{kind="transcription",state="waiting"}', 0],
    ['whisper_slots_in_use{model="demo"}', 0],
    ["whisper_store_available", 1],
    ['whisper_store_operation_duration_seconds_count{store="sqlite",operation="cache.get"}', 3],
    ['whisper_store_operation_duration_seconds_count{store="sqlite",operation="tasks.create"}', 1],
    ['whisper_store_operation_duration_seconds_count{store="disk",operation="blobs.put"}', 1],
  ])("%s is %d", (line, value) => {
    expect(found.value(line)).toBe(value);
  });

  test("tells what the addon has computed", () => {
    expect(found.value('whisper_encoder_windows_total{model="demo"}')).toBeGreaterThanOrEqual(3);
    for (const what of ["encoder_seconds", "decoder_steps", "decoder_rows", "decoder_seconds"])
      expect(found.value(`whisper_${what}_total{model="demo"}`)).toBeGreaterThan(0);
  });

  test("has no label that grows with what clients send", () => {
    const names = new Set(found.families.flatMap(({ labels }) => labels));
    const bounded = [
      "answer",
      "budget",
      "bun",
      "code",
      "kind",
      "method",
      "model",
      "operation",
      "outcome",
      "priority",
      "reason",
    ];
    expect([...names].sort()).toEqual([...bounded, "route", "state", "status", "store", "version"]);
  });

  test("is explained in docs/operations.md, all of it and nothing else", async () => {
    const page = await Bun.file(join(root, "docs/operations.md")).text();
    const documented = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$/gm)].map(
      ([, name, type, labels, help]) => ({ name, type, labels, help }),
    );
    const own = found.families.map(({ name, type, labels, help }) => {
      const list = labels.map((label) => `\`${label}\``).join(", ");
      return { name, type: type.toLowerCase(), labels: list, help: help.replaceAll("|", "\\|") };
    });
    const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
      `${a.name}` < `${b.name}` ? -1 : 1;
    expect(documented.sort(byName)).toEqual(own.sort(byName));
  });
});

/** Fails for an expression that is no PromQL, or asks for what is not there. */
function expectAnswerable(expression: string): void {
  const selectors = selectorsOf(expression);
  expect(selectors).not.toBeEmpty();
  for (const { metric, matchers, grouping } of selectors) {
    expect([expression, found.has(metric)]).toEqual([expression, true]);
    const added = ["job", "instance"];
    for (const label of [...grouping, ...matchers.map((matcher) => matcher.label)]) {
      const isThere = added.includes(label) || found.has(metric, (labels) => label in labels);
      expect([expression, label, isThere]).toEqual([expression, label, true]);
    }
    for (const { label, op, value } of matchers.filter(({ op }) => op === "=")) {
      const isThere = added.includes(label) || found.has(metric, (labels) => labels[label] === value);
      expect([expression, label, op, value, isThere]).toEqual([expression, label, op, value, true]);
    }
  }
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly expr: string;
    readonly legendFormat: string;
    readonly refId: string;
  }[];
}

describe("deploy/grafana.json", async () => {
  const dashboard = await Bun.file(join(root, "deploy/grafana.json")).json();
  const panels: Panel[] = dashboard.panels;
  const drawn = panels.filter(({ type }) => type !== "row");

  test("has what Grafana needs to import it: a version, unique ids, places that do not overlap", () => {
    expect(dashboard).toMatchObject({ uid: "whisper-api", schemaVersion: 42 });
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  test("takes its data source from a variable everywhere", () => {
    const { list } = dashboard.templating as { list: { name: string; type: string }[] };
    expect(list.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      "datasource: datasource",
      "job: query",
      "instance: query",
    ]);
    for (const { title, datasource } of drawn)
      expect([title, datasource?.uid]).toEqual([title, `\${datasource}`]);
  });

  test.each(drawn.map((panel) => [`${panel.id} ${panel.title}`, panel] as const))(
    "%s asks for what there is",
    (_, { targets = [] }) => {
      expect(targets).not.toBeEmpty();
      for (const { expr, legendFormat } of targets) {
        const expression = expr.replaceAll("$__rate_interval", "5m");
        expect(expression.replaceAll(/"\$(job|instance)"/g, "")).not.toContain("$");
        expectAnswerable(expression);
        const grouping = selectorsOf(expression).flatMap((selector) => selector.grouping);
        const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        for (const label of shown) expect([expr, grouping]).toEqual([expr, expect.arrayContaining([label])]);
      }
    },
  );
});

describe("deploy/alerts.yml", async () => {
  const file = Bun.YAML.parse(await Bun.file(join(root, "deploy/alerts.yml")).text()) as {
    groups: { rules: { alert: string; expr: string; for: string; annotations: { summary: string } }[] }[];
  };
  const rules = file.groups.flatMap((group) => group.rules);

  test.each(rules.map((rule) => [rule.alert, rule] as const))("%s asks for what there is", (_, rule) => {
    expectAnswerable(rule.expr);
    expect(rule.for).toMatch(/^\d+m$/);
    expect(rule.annotations.summary).not.toBe("");
  });

  test("is explained in docs/operations.md", async () => {
    const page = await Bun.file(join(root, "docs/operations.md")).text();
    const documented = [...page.matchAll(/^\| `(WhisperApi\w+)` \|/gm)].map(([, name]) => name);
    expect(documented).toEqual(rules.map(({ alert }) => alert));
  });
});

test.each(["sum(rate(x[5m])", "x{a=b}", "sum by (x)", "rate(a[5m]) /", 'x{a="1" b="2"}'])(
  "what is no PromQL is refused: %s",
  (expression) => expect(() => selectorsOf(expression)).toThrow(/^Expected PromQL/),
);

test("a full queue, and a session too many, are counted as refusals", async () => {
  await using full = await startServer({ env: { MAX_RUNS: "1", MAX_QUEUE: "0", MAX_SESSIONS: "0" } });
  const abort = new AbortController();
  const long = post(full, "en-long-95s.mp3", { signal: abort.signal }).catch(() => {});
  await running(full);
  expect((await post(full)).status).toBe(503);
  const seen = await exposition(full.url);
  expect(seen.value("whisper_runs_running")).toBe(1);
  using client = new RealtimeClient({ url: full.url });
  expect((await client.closed).code).toBe(1013);
  abort.abort();
  await long;
  const after = await exposition(full.url);
  expect(after.value('whisper_limit_refusals_total{budget="queue"}')).toBe(1);
  expect(after.value('whisper_limit_refusals_total{budget="sessions"}')).toBe(1);
  expect(after.value('whisper_http_errors_total{code="server_overloaded"}')).toBe(1);
});

describe("a worker", () => {
  test("answers those who watch it on WORKER_PORT, by the rules of a server", async () => {
    await using worker = await startWorker({ env: { WORKER_PORT: "0", API_KEY: "sk-right" } });
    const { port } = await worker.logged(({ message }) => message === "working");
    const url = `http://127.0.0.1:${port}`;
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: "ok", model: "demo" });
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    const headers = { authorization: "Bearer sk-right" };
    const metrics = new Exposition(await (await fetch(`${url}/metrics`, { headers })).text());
    expect(metrics.value('whisper_slots{model="demo"}')).toBe(8);
    expect((await fetch(`${url}/v1/models`, { headers })).status).toBe(404);
    expect(await worker.stop()).toBe(0);
  });

  test("whose port is taken says so and ends with 2", async () => {
    const child = Bun.spawn([process.execPath, "src/main.ts", "worker"], {
      cwd: root,
      env: {
        ...{ PATH: Bun.env.PATH, HOST: "127.0.0.1", WORKER_PORT: `${server.port}`, WHISPER_MODEL: "demo" },
        ...{ DATA_DIR: join(server.dataDir, "worker"), VAD_MODEL: "off" },
      },
      stderr: "pipe",
    });
    expect(await child.exited).toBe(2);
    expect(await new Response(child.stderr).text()).toContain(
      `Port ${server.port} is in use: set WORKER_PORT to another one.`,
    );
  });
});
