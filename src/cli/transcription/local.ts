/** Transcribes in this process: no server, no copy of the recording. */
import { openModels } from "../../boot.ts";
import { loadConfig } from "../../config/load.ts";
import { streamView } from "../../core/formats.ts";
import type { FieldTexts } from "../../http/form.ts";
import type { Logger } from "../../log.ts";
import { payloads } from "../../modules/transcriptions/index.ts";
import { readRequest } from "../../modules/transcriptions/request.ts";
import { exitCodes, Failure } from "../command.ts";
import { loadingOn } from "../progress.ts";
import { commandLog, type Display } from "../terminal.ts";
import type { Payload, Transcriber } from "./transcriber.ts";

export interface LocalOptions {
  /** Name or path; undefined: WHISPER_MODEL. */
  readonly model: string | undefined;
  /** Whether voice activity detection is to be had: its weights may have to be downloaded. */
  readonly vad: boolean;
  /** Shows that the model is loaded, or downloaded; null: nothing is shown. */
  readonly display: Display | null;
}

/** The engine of a command: no store, no server. Throws ConfigError, ModelError, or Failure when another model than the wanted would answer. */
export async function openHere({ model, vad, display }: LocalOptions) {
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
  const opened = await openModels(settings, log, {
    keepsResults: false,
    setting: model === undefined ? "WHISPER_MODEL" : "--model",
    onProgress: display ? loadingOn(display, wanted) : () => {},
  });
  const engine = opened.models.defaultEngine;
  const { id } = engine.model;
  // the bundled model in place of the wanted one: for a server better than nothing, here a file full of wrong words
  if (id === "demo" && wanted !== "demo" && !wanted.endsWith("demo.bin")) {
    throw new Failure(
      `The model ${wanted} is not here and could not be downloaded${reason}. --model demo tries the small bundled one.`,
      exitCodes.misuse,
    );
  }
  display?.clear();
  for (const note of notes) commandLog.warn(note);
  return { config, engine, hasVad: opened.hasVad };
}

/** For recordings of which the same is asked. Throws as `openHere`, and AppError for fields that the model is not fit for. */
export async function openLocal(
  { model, display }: Omit<LocalOptions, "vad">,
  fields: FieldTexts,
  isTranslation: boolean,
): Promise<Transcriber> {
  const vad = fields.has("vad") || fields.has("chunking_strategy");
  const { engine, hasVad } = await openHere({ model, vad, display });
  const task = isTranslation ? "translate" : "transcribe";
  const request = readRequest(task, fields, engine.model, hasVad());
  return {
    async *transcribe({ path, signal }) {
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
