/** `whisper-api worker`: transcribes tasks that others have taken, until it is told to stop. No HTTP. */
import { boot } from "../boot.ts";
import { loadConfig, loggableConfig } from "../config.ts";
import { createLogger } from "../log.ts";
import { type Define, exitCodes, Failure } from "./command.ts";
import { exitOnSignal, stopOnSignal } from "./signals.ts";

export const define: Define = (command) => {
  command.option("--concurrency <n>", "Tasks at the same time (default: MAX_RUNNING_TASKS).").action(work);
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

  const { models, store, tasks, webhooks } = await boot(config, log);
  const concurrency = Number(given ?? 0) || config.maxRunningTasks || models.defaultEngine.model.slots;
  webhooks.start();
  tasks.start(concurrency);
  const stopped = stopOnSignal(async () => {
    const graceMs = config.shutdownTimeoutMs;
    log.info("stopping", { graceMs });
    await Promise.all([webhooks.close(graceMs), tasks.close(graceMs), models.close(graceMs)]);
    await store.close();
    log.info("stopped");
  });
  log.info("working", { concurrency, store: store.kind, model: models.defaultEngine.model.id });
  await stopped;
}
