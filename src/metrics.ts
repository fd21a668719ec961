/** What operators watch, in Prometheus' terms: one registry for each process, its series named and explained here alone. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

const prefix = "whisper_";

/** Seconds, from a cached answer to a long recording. */
const durations = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

/** Every metric that counts events. What is a state is read when it is asked for: see `gauge`. */
export class Metrics {
  private readonly registry = new Registry();
  readonly contentType = this.registry.contentType;

  /** route: as it is declared, `unmatched` for what there is not. */
  readonly requests = this.counter("http_requests_total", "Requests that were answered", [
    "route",
    "method",
    "status",
  ]);
  readonly requestSeconds = this.histogram(
    "http_request_duration_seconds",
    "Time until the whole answer was sent",
    ["route"],
    durations,
  );
  readonly queueSeconds = this.histogram(
    "queue_wait_seconds",
    "Time that admitted runs had waited",
    ["priority"],
    durations,
  );
  /** outcome: `done`, or the code of its error. */
  readonly runs = this.counter("runs_total", "Runs that ended", ["priority", "outcome"]);
  readonly runSeconds = this.histogram(
    "run_duration_seconds",
    "Time from the start of a run to its end",
    ["priority"],
    durations,
  );
  readonly realTimeFactor = this.histogram(
    "real_time_factor",
    "Time of a run divided by the length of its recording",
    ["priority"],
    [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
  );
  readonly audioSeconds = this.counter("audio_seconds_total", "Audio that was transcribed", ["priority"]);
  readonly segments = this.counter("segments_total", "Segments that were decoded");
  readonly tokens = this.counter("tokens_total", "Tokens of these segments");
  readonly fallbacks = this.counter(
    "fallbacks_total",
    "Attempts at a window after the first one had failed; of runs that tell their tokens",
  );
  readonly correctedStreams = this.counter(
    "streams_corrected_total",
    "Streams whose deltas are not their text, since a window was decoded again after some of it was shown",
  );

  /** `process`: also the process's own series (memory, CPU time, event loop); false in tests that make many. */
  constructor({ process = false } = {}) {
    if (process) collectDefaultMetrics({ register: this.registry });
  }

  /** What never changes, as labels. */
  info(name: string, help: string, labels: Readonly<Record<string, string>>): void {
    const labelNames = Object.keys(labels);
    new Gauge({ name: prefix + name, help, labelNames, registers: [this.registry] }).set(labels, 1);
  }

  /** A state: `read` is asked whenever the metrics are. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: prefix + name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** The exposition format, version 0.0.4. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  private counter<Label extends string = never>(name: string, help: string, labelNames: Label[] = []) {
    return new Counter({ name: prefix + name, help, labelNames, registers: [this.registry] });
  }

  private histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    buckets: number[],
  ) {
    return new Histogram({ name: prefix + name, help, labelNames, buckets, registers: [this.registry] });
  }
}
