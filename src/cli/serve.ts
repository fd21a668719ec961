/** `whisper-api serve`: listens until it is told to stop, then lets running requests end. */
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { boot } from "../boot.ts";
import { loadConfig, loggableConfig } from "../config.ts";
import { removeLeftovers } from "../http/temporary-file.ts";
import { createLogger } from "../log.ts";
import { createServer } from "../server.ts";

/** Recording that comes with the source, for the example that is printed. */
const sample = "test/fixtures/en-sentence.wav";

/** Resolves when the server has stopped. Throws what a person can mend: settings, model, port. */
export async function serve(): Promise<void> {
  const { config, warnings } = loadConfig();
  const log = createLogger({ format: config.logFormat, debug: config.debug });
  for (const warning of warnings) log.warn(warning);
  log.debug("settings", loggableConfig(config));
  await removeLeftovers(config.uploadDir);

  const deps = await boot(config, log);
  if (config.apiKeys.length === 0) log.warn("No API_KEY is set: everyone who reaches this server can use it");
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
    await deps.models.close(config.shutdownTimeoutMs);
    // answers on their way out; connections that are kept alive without a request do not count
    await Promise.race([drained, Bun.sleep(1000)]);
    await server.stop(true);
    log.info("stopped");
  });

  const { port } = server;
  const local = `http://${config.host === "0.0.0.0" || config.host === "::" ? "localhost" : config.host}:${port}`;
  log.info("listening", { url: local, docs: `${local}/docs`, model: deps.models.defaultEngine.model.id });
  if (process.stdout.isTTY || config.logFormat === "text") greet(local, port ?? config.port, config);
  await stopped;
}

/** Runs `stop` at the first SIGTERM or SIGINT; a second SIGINT ends the process at once. */
function stopOnSignal(stop: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (stopping && signal === "SIGINT") process.exit(130);
      if (stopping) return;
      stopping = true;
      stop().then(resolve, reject);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
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
