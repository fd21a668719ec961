/** Transcribes in this process: no server, no copy of the recording. */
import { openModels } from "../../boot.ts";
import { loadConfig } from "../../config/load.ts";
import { streamView } from "../../core/formats.ts";
import type { Logger } from "../../log.ts";
import { payloads } from "../../modules/transcriptions/index.ts";
import { readRequest } from "../../modules/transcriptions/request.ts";
import { exitCodes, Failure } from "../command.ts";
import { commandLog } from "../terminal.ts";
import type { Payload, Transcriber } from "./transcriber.ts";

export interface LocalOptions {
  /** Name or path; undefined: WHISPER_MODEL. */
  readonly model: string | undefined;
  /** Whether voice activity detection is to be had: its weights may have to be downloaded. */
  readonly vad: boolean;
}

/** The engine of a command: no store, no server. Throws ConfigError, ModelError, or Failure when another model than the wanted would answer. */
export async function openHere({ model, vad }: LocalOptions) {
  const { config, warnings } = loadConfig();
  const wanted = model ?? config.whisperModel;
  const notes = [...warnings];
  let reason = "";
  const log: Logger = {
    ...commandLog,
    warn(message, fields) {
      notes.push(message);
      if (fields?.reason) reason = ` (${fields.reason})`;
    },
  };
  const settings = { ...config, whisperModel: wanted, vadModel: vad ? config.vadModel : "off" };
  const opened = await openModels(settings, log);
  const engine = opened.models.defaultEngine;
  const { id } = engine.model;
  // the bundled model in place of the wanted one: for a server better than nothing, here a file full of wrong words
  if (id === "demo" && wanted !== "demo" && !wanted.endsWith("demo.bin")) {
    throw new Failure(
      `The model ${wanted} is not here and could not be downloaded${reason}. --model demo tries the small bundled one.`,
      exitCodes.misuse,
    );
  }
  for (const note of notes) commandLog.warn(note);
  return { config, engine, hasVad: opened.hasVad };
}

/** Throws as `openHere`. */
export async function openLocal(options: LocalOptions): Promise<Transcriber> {
  const { engine, hasVad } = await openHere(options);
  return {
    async *transcribe({ path, isTranslation, fields, signal }) {
      const own = new Map([...fields].filter(([name]) => name !== "model"));
      const task = isTranslation ? "translate" : "transcribe";
      const request = readRequest(task, own, engine.model, hasVad());
      const events = await engine.transcribe({
        path,
        options: request.options,
        priority: "request",
        signal,
        requestId: path,
      });
      const view = streamView(request.view, request.options);
      yield* payloads(events, view, () => {}) as AsyncIterable<Payload>;
    },
    [Symbol.asyncDispose]: () => engine.close(0),
  };
}
