/** What the user has set: the options of the next recording, the key, the theme. */
import { effect } from "@preact/signals";
import { kept } from "./storage.ts";

export interface Options {
  /** A model's id; empty: the server's own choice. */
  readonly model: string;
  /** A code; empty: it is detected. */
  readonly language: string;
  readonly translate: boolean;
  readonly prompt: string;
  readonly words: boolean;
  readonly vad: boolean;
  readonly temperature: number;
  /** Handed to the server as a task, which goes on without this page. */
  readonly background: boolean;
}

export const options = kept<Options>("options", {
  model: "",
  language: "",
  translate: false,
  prompt: "",
  words: true,
  vad: false,
  temperature: 0,
  background: false,
});

/** Of the server; empty: none. It leaves the browser in the header of requests to this server only. */
export const apiKey = kept<string>("key", "");

export const themes = ["system", "light", "dark"] as const;
export const theme = kept<string>("theme", "system");

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

/** The fields of a form: those that say what the server does anyway are left out. */
export function fieldsOf(chosen: Options): [name: string, value: string][] {
  const { model, language, prompt, vad, temperature, words } = chosen;
  return [
    ["response_format", "verbose_json"],
    ["timestamp_granularities[]", "segment"],
    ...(words ? [["timestamp_granularities[]", "word"] as [string, string]] : []),
    ...Object.entries({
      model,
      language,
      prompt: prompt.trim(),
      vad: vad ? "true" : "",
      temperature: temperature > 0 ? String(temperature) : "",
    }).filter(([, value]) => value !== ""),
  ];
}
