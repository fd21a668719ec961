/** What operators watch, in Prometheus' terms: one registry for each process, its series named and explained here and in modules/system/metrics.ts. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { catalogue } from "./core/errors.ts";

const prefix = "whisper_";

/** Seconds, from a cached answer to a long recording. */
const durations = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
/** From a read of an embedded file to a disk or network that is in trouble. */
const storeDurations = [0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2];
/** Of what waits for others, or for the night. */
const longDurations = [1, 5, 15, 60, 300, 1800, 7200, 28_800, 86_400];

/** What prom-client would tell and Bun 1.4.5 does not know: constants, and the memory that JavaScriptCore merely reserves. */
const untrue = [
  "nodejs_active_resources",
  "nodejs_active_resources_total",
  "nodejs_active_handles",
  "nodejs_active_handles_total",
  "nodejs_active_requests",
  "nodejs_active_requests_total",
  "nodejs_heap_space_size_total_bytes",
  "nodejs_heap_space_size_used_bytes",
  "nodejs_heap_space_size_available_bytes",
  "nodejs_version_info",
  "process_heap_bytes",
  "process_virtual_memory_bytes",
];

/** How long a state may be asked for: then it is missing this time. */
const readWithinMs = 1000;

/**
 * Names of labels, each with its values where these are known: such series are there from the start, as 0, so that the first event is
 * an increase. No value may be a client's to choose: each makes a series that stays.
 */
type Labels<Name extends string> = Readonly<Record<Name, readonly string[]>>;
const open: readonly string[] = [];
const priorities = ["live", "request", "batch"];

/** A value of a state that has several. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
type Read = () => number | readonly Sample[] | Promise<number | readonly Sample[]>;

/** Every metric that counts events. What is a state is read when it is asked for: see `gauge`. */
export class Metrics {
  private readonly registry = new Registry();
  readonly contentType = this.registry.contentType;

  /** route: as it is declared, `unmatched` for what there is not. */
  readonly requests = this.counter("http_requests_total", "Requests that were answered", {
    ...{ route: open, method: open, status: open },
  });
  readonly requestSeconds = this.histogram(
    "http_request_duration_seconds",
    "Time until the whole answer was sent",
    { route: open },
  );
  readonly errors = this.counter(
    "http_errors_total",
    "Requests that ended with an error, by its code, streams that broke off among them; not those to unknown URLs",
    { code: Object.keys(catalogue) },
  );
  /** budget: whose end it was. */
  readonly refusals = this.counter(
    "limit_refusals_total",
    "What was refused since a limit was reached: of requests and audio of a caller (RATE_LIMITS), of sessions, of tasks, of the queue",
    { budget: ["requests", "audio", "sessions", "tasks", "queue"] },
  );

  readonly queueSeconds = this.histogram("queue_wait_seconds", "Time that admitted runs had waited", {
    priority: priorities,
  });
  /** outcome: `done`, or the code of its error. */
  readonly runs = this.counter("runs_total", "Runs that ended", { priority: priorities, outcome: open });
  readonly runSeconds = this.histogram("run_duration_seconds", "Time from the start of a run to its end", {
    priority: priorities,
  });
  readonly realTimeFactor = this.histogram(
    "real_time_factor",
    "Time of a run divided by the length of its recording",
    { priority: priorities },
    [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
  );
  readonly audioSeconds = this.counter("audio_seconds_total", "Audio that was transcribed", {
    priority: priorities,
  });
  readonly segments = this.counter("segments_total", "Segments that were decoded", {});
  readonly tokens = this.counter("tokens_total", "Tokens of these segments", {});
  readonly fallbacks = this.counter(
    "fallbacks_total",
    "Attempts at a window after the first one had failed; of runs that tell their tokens",
    {},
  );
  readonly correctedStreams = this.counter(
    "streams_corrected_total",
    "Streams whose deltas are not their text, since a window was decoded again after some of it was shown",
    {},
  );
  /** outcome: as in the header x-cache. */
  readonly cacheResults = this.counter("cache_results_total", "Transcripts, by where they came from", {
    outcome: ["hit", "miss", "join", "bypass"],
  });

  readonly tasksSubmitted = this.counter("tasks_submitted_total", "Tasks that were taken", {});
  readonly taskSeconds = this.histogram(
    "task_duration_seconds",
    "Time from the submission of a task to its end",
    { status: ["completed", "failed", "cancelled"] },
    longDurations,
  );
  readonly webhookSeconds = this.histogram(
    "webhook_attempt_duration_seconds",
    "Time of an attempt to deliver a webhook, by the class of the answer",
    { answer: ["2xx", "3xx", "4xx", "5xx", "none"] },
  );
  readonly webhookDeliveries = this.counter(
    "webhook_deliveries_total",
    "Deliveries of webhooks that came to an end, after one attempt or several",
    { status: ["delivered", "failed"] },
  );

  readonly turns = this.counter("live_turns_total", "Turns of live sessions", {
    outcome: ["completed", "failed"],
  });
  readonly turnSeconds = this.histogram(
    "live_turn_wait_seconds",
    "Time from the end of a turn, as it is told to the client, to its text",
    {},
  );

  /** store: what was asked. operation: of which part, and what. */
  readonly storeSeconds = this.histogram(
    "store_operation_duration_seconds",
    "Time until the store had done what a request or a task asked of it, or had failed",
    { store: open, operation: open },
    storeDurations,
  );

  readonly modelLoadSeconds = this.histogram("model_load_seconds", "Time that models took to load", {
    outcome: ["loaded", "failed"],
  });
  readonly modelUnloads = this.counter("model_unloads_total", "Models that left the memory", {
    reason: ["idle", "memory", "removed"],
  });
  readonly modelPulls = this.counter("model_pulls_total", "Downloads of models that were asked for", {
    outcome: ["done", "failed", "cancelled"],
  });

  /** `process`: also the process's own series (memory, CPU time, event loop); false in tests that make many. */
  constructor({ process = false } = {}) {
    if (!process) return;
    collectDefaultMetrics({ register: this.registry });
    for (const name of untrue) this.registry.removeSingleMetric(name);
  }

  /** What never changes, as labels. */
  info(name: string, help: string, labels: Readonly<Record<string, string>>): void {
    const labelNames = Object.keys(labels);
    new Gauge({ name: prefix + name, help, labelNames, registers: [this.registry] }).set(labels, 1);
  }

  /** A state: `read` is asked whenever the metrics are. What it cannot say in time, or throws, is missing. */
  gauge(name: string, help: string, read: Read, labelNames: readonly string[] = []): void {
    const gauge: Gauge = new Gauge({
      ...{ name: prefix + name, help, labelNames, registers: [this.registry] },
      collect: () => fill(gauge, labelNames, read, (labels, value) => gauge.set(labels, value)),
    });
  }

  /** A sum that is kept elsewhere. As `gauge`. */
  total(name: string, help: string, read: Read, labelNames: readonly string[] = []): void {
    const counter: Counter = new Counter({
      ...{ name: prefix + name, help, labelNames, registers: [this.registry] },
      collect: () => fill(counter, labelNames, read, (labels, value) => counter.inc(labels, value)),
    });
  }

  /** The exposition format, version 0.0.4. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  private counter<Name extends string>(name: string, help: string, labels: Labels<Name>) {
    const labelNames = Object.keys(labels) as Name[];
    const counter = new Counter({ name: prefix + name, help, labelNames, registers: [this.registry] });
    for (const each of known(labels)) counter.inc(each, 0);
    return counter;
  }

  private histogram<Name extends string>(
    name: string,
    help: string,
    labels: Labels<Name>,
    buckets = durations,
  ) {
    const labelNames = Object.keys(labels) as Name[];
    const histogram = new Histogram({
      ...{ name: prefix + name, help, labelNames, buckets, registers: [this.registry] },
    });
    for (const each of known(labels)) histogram.zero(each);
    return histogram;
  }
}

/** Sets what `read` says, and nothing else. */
async function fill(
  metric: Counter | Gauge,
  labelNames: readonly string[],
  read: Read,
  set: (labels: Readonly<Record<string, string>>, value: number) => void,
): Promise<void> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), readWithinMs);
  const reading = (async () => read())().catch(() => null);
  const found = await Promise.race([reading, late.promise]);
  clearTimeout(timer);
  // without labels it would be 0
  if (labelNames.length === 0) metric.remove();
  else metric.reset();
  if (found === null) return;
  if (typeof found === "number") set({}, found);
  else for (const { labels, value } of found) set(labels, value);
}

/** All combinations of values that are known beforehand; none when a label's are not. */
function known<Name extends string>(labels: Labels<Name>): Record<Name, string>[] {
  let all: Partial<Record<Name, string>>[] = [{}];
  for (const [name, values] of Object.entries(labels) as [Name, readonly string[]][]) {
    all = all.flatMap((each) => values.map((value) => ({ ...each, [name]: value })));
  }
  return all as Record<Name, string>[];
}
