/** `whisper-api serve`: listens until it is told to stop, then lets running requests end. */
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { boot } from "../boot.ts";
import { loadConfig, loggableConfig } from "../config.ts";
import { removeLeftovers } from "../http/temporary-file.ts";
import { createLogger } from "../log.ts";
import { createServer } from "../server.ts";
import { type Define, exitCodes, Failure } from "./command.ts";
import { stopOnSignal } from "./signals.ts";

/** Recording that comes with the source, for the example that is printed. */
const sample = "test/fixtures/en-sentence.wav";

export const define: Define = (command) => {
  command
    .option("--no-worker", "Leave tasks to other processes (also WORKER=false).")
    .action((given: Given) =>
      serve(given.worker).catch((error: Error & { code?: string }) => {
        if (error.code !== "EADDRINUSE") throw error;
        throw new Failure(`The port is in use. Set PORT to another one.\n${error.message}`, exitCodes.misuse);
      }),
    );
};

interface Given {
  readonly worker: boolean;
}

/** Resolves when the server has stopped. Throws what a person can mend: settings, model, port. */
async function serve(worker: boolean): Promise<void> {
  const { config, warnings } = loadConfig();
  const log = createLogger({ format: config.logFormat, debug: config.debug });
  for (const warning of warnings) log.warn(warning);
  log.debug("settings", loggableConfig(config));
  await removeLeftovers(config.uploadDir);

  const deps = await boot(config, log);
  if (config.apiKeys.length === 0) log.warn("No API_KEY is set: everyone who reaches this server can use it");
  if (config.webhookAllowPrivate)
    log.warn("WEBHOOK_ALLOW_PRIVATE is set: callers can have this server ask whatever it can reach");
  deps.webhooks.start();
  deps.tasks.start(worker && config.worker ? config.maxRunningTasks || deps.engine.model.slots : 0);
  const stopping = new AbortController();
  const app = createServer({ ...deps, stopping: stopping.signal }).listen({
    hostname: config.host,
    port: config.port,
  });
  const { server } = app;
  if (!server) throw new Error("The server did not start");
  const stopped = stopOnSignal(async () => {
    log.info("stopping", { graceMs: config.shutdownTimeoutMs });
    const drained = server.stop();
    stopping.abort();
    await Promise.all([
      deps.webhooks.close(config.shutdownTimeoutMs),
      deps.tasks.close(config.shutdownTimeoutMs),
      deps.engine.close(config.shutdownTimeoutMs),
    ]);
    // answers on their way out; connections that are kept alive without a request do not count
    await Promise.race([drained, Bun.sleep(1000)]);
    await server.stop(true);
    await deps.store.close();
    log.info("stopped");
  });

  const { port } = server;
  const local = `http://${config.host === "0.0.0.0" || config.host === "::" ? "localhost" : config.host}:${port}`;
  log.info("listening", { url: local, docs: `${local}/docs`, model: deps.engine.model.id });
  if (process.stdout.isTTY || config.logFormat === "text") greet(local, port ?? config.port, config);
  await stopped;
}

/** Where it can be reached, and a first request that works when pasted. */
function greet(local: string, port: number, config: { host: string; apiKeys: readonly string[] }): void {
  const others =
    config.host === "0.0.0.0"
      ? Object.values(networkInterfaces())
          .flatMap((addresses) => addresses ?? [])
          .filter(({ family, internal }) => family === "IPv4" && !internal)
          .map(({ address }) => `http://${address}:${port}`)
      : [];
  const file = existsSync(sample) ? sample : "recording.mp3";
  const key = config.apiKeys.length > 0 ? ' -H "Authorization: Bearer $API_KEY"' : "";
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
