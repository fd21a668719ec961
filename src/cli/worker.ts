/** `whisper-api worker`: transcribes tasks that others have taken, until it is told to stop. HTTP only for those who watch it. */
import { version } from "../../package.json";
import { boot } from "../boot.ts";
import { loadConfig } from "../config/load.ts";
import { loggableConfig } from "../config/show.ts";
import { createLogger } from "../log.ts";
import { createMonitor } from "../server.ts";
import { startTracing } from "../tracing.ts";
import { type Define, exitCodes, Failure, onPort, tryPort } from "./command.ts";
import { exitOnSignal, stopOnSignal } from "./signals.ts";

export const define: Define = (command) => {
  command
    .option("--concurrency <n>", "Tasks at the same time (default: MAX_RUNNING_TASKS).")
    .action((given: Given) => work(given));
};

interface Given {
  readonly concurrency?: string;
}

/** Resolves when the worker has stopped. Throws what a person can mend: settings, model. */
async function work({ concurrency: given }: Given): Promise<void> {
  if (given !== undefined && !/^[1-9]\d{0,3}$/.test(given)) {
    throw new Failure(
      `Expected a number from 1 to 9999 for --concurrency but received ${JSON.stringify(given)}`,
      exitCodes.misuse,
    );
  }
  exitOnSignal();
  const { config, warnings } = loadConfig();
  const log = createLogger({ format: config.logFormat, debug: config.debug });
  for (const warning of warnings) log.warn(warning);
  log.debug("settings", loggableConfig(config));

  const stopTracing = config.otlpEndpoint
    ? await startTracing(config.otlpEndpoint, { service: config.serviceName, version })
    : async () => {};

  const { workerPort: port, host: hostname } = config;
  if (port !== "off") onPort("WORKER_PORT", port, () => tryPort(hostname, port));
  const deps = await boot(config, log);
  const { models, store, tasks, webhooks } = deps;
  const concurrency = Number(given ?? 0) || config.maxRunningTasks || models.defaultEngine.model.slots;
  const monitor =
    port === "off" ? null : onPort("WORKER_PORT", port, () => createMonitor(deps).listen({ hostname, port }));
  webhooks.start();
  tasks.start(concurrency);
  const stopped = stopOnSignal(async () => {
    const graceMs = config.shutdownTimeoutMs;
    log.info("stopping", { graceMs });
    await Promise.all([webhooks.close(graceMs), tasks.close(graceMs), models.close(graceMs)]);
    await monitor?.server?.stop(true);
    await store.close();
    await stopTracing();
    log.info("stopped");
  });
  log.info("working", {
    ...{ concurrency, store: store.kind, model: models.defaultEngine.model.id },
    ...(monitor?.server ? { port: monitor.server.port } : {}),
  });
  await stopped;
}
