/** `whisper-api serve`: listens until it is told to stop, then lets running requests end. */
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { version } from "../../package.json";
import { boot } from "../boot.ts";
import { loggableConfig } from "../config/show.ts";
import { removeLeftovers } from "../http/temporary-file.ts";
import { createLogger } from "../log.ts";
import { createServer } from "../server.ts";
import { startTracing } from "../tracing.ts";
import { type Define, onPort, tryPort } from "./command.ts";
import { addSettingOptions, loadConfigWith } from "./setting-options.ts";
import { exitOnSignal, stopOnSignal } from "./signals.ts";

/** Recording that comes with the source, for the example that is printed. */
const sample = "test/fixtures/en-sentence.wav";

export const define: Define = (command) => {
  const withSettings = addSettingOptions(command).option(
    "--no-worker",
    "Leave tasks to other processes: WORKER=false.",
  );
  withSettings.action((given: object) => serve({ ...given }));
};

/** Resolves when the server has stopped. Throws what a person can mend: settings, model, port. */
async function serve(given: Readonly<Record<string, unknown>>): Promise<void> {
  exitOnSignal();
  const { config, warnings } = loadConfigWith(given);
  const log = createLogger({ format: config.logFormat, debug: config.debug });
  for (const warning of warnings) log.warn(warning);
  log.debug("settings", loggableConfig(config));
  const { host: hostname, port: wanted } = config;
  // Before what takes long, weights that are downloaded perhaps.
  onPort("PORT", wanted, () => tryPort(hostname, wanted));
  await removeLeftovers(config.uploadDir);
  const stopTracing = config.otlpEndpoint
    ? await startTracing(config.otlpEndpoint, { service: config.serviceName, version })
    : async () => {};

  const deps = await boot(config, log);
  const isOpen = config.apiKeys.length === 0 && (await deps.store.keys.isEmpty().catch(() => false));
  if (isOpen) log.warn("There are no API keys: everyone who reaches this server can use it");
  if (config.webhookAllowPrivate)
    log.warn("WEBHOOK_ALLOW_PRIVATE is set: callers can have this server ask whatever it can reach");
  const stopping = new AbortController();
  const app = createServer({ ...deps, stopping: stopping.signal });
  const { server } = onPort("PORT", wanted, () => app.listen({ hostname, port: wanted }));
  if (!server) throw new Error("The server did not start");
  deps.webhooks.start();
  deps.tasks.start(config.worker ? config.maxRunningTasks || deps.models.defaultEngine.model.slots : 0);
  const stopped = stopOnSignal(async () => {
    log.info("stopping", { graceMs: config.shutdownTimeoutMs });
    const drained = server.stop();
    stopping.abort();
    await Promise.all([
      deps.webhooks.close(config.shutdownTimeoutMs),
      deps.tasks.close(config.shutdownTimeoutMs),
      deps.models.close(config.shutdownTimeoutMs),
    ]);
    // answers on their way out; connections that are kept alive without a request do not count
    await Promise.race([drained, Bun.sleep(1000)]);
    await server.stop(true);
    await deps.store.close();
    await stopTracing();
    log.info("stopped");
  });

  const { port } = server;
  const local = `http://${hostname === "0.0.0.0" || hostname === "::" ? "localhost" : hostname}:${port}`;
  log.info("listening", { url: local, docs: `${local}/docs`, model: deps.models.defaultEngine.model.id });
  if (process.stdout.isTTY || config.logFormat === "text") greet(local, port ?? wanted, hostname, isOpen);
  await stopped;
}

/** Where it can be reached, and a first request that works when pasted. */
function greet(local: string, port: number, host: string, isOpen: boolean): void {
  const others =
    host === "0.0.0.0"
      ? Object.values(networkInterfaces())
          .flatMap((addresses) => addresses ?? [])
          .filter(({ family, internal }) => family === "IPv4" && !internal)
          .map(({ address }) => `http://${address}:${port}`)
      : [];
  const file = existsSync(sample) ? sample : "recording.mp3";
  const key = isOpen ? "" : ' -H "Authorization: Bearer $API_KEY"';
  console.log(
    [
      "",
      ...[local, ...others].map((url) => `  ${url}`),
      `  ${local}/docs`,
      "",
      "  Try it:",
      `  curl ${local}/v1/audio/transcriptions${key} -F file=@${file}`,
      "",
    ].join("\n"),
  );
}
