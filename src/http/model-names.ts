/** The names by which clients may call models. */

/** OpenAI's names that clients hard-code; all of them mean the model of WHISPER_MODEL. */
export const modelAliases: readonly string[] = [
  "whisper-1",
  "gpt-4o-transcribe",
  "gpt-4o-mini-transcribe",
  "gpt-4o-mini-transcribe-2025-12-15",
  "gpt-4o-transcribe-diarize",
  "gpt-transcribe",
  "gpt-live-transcribe",
  "gpt-realtime-whisper",
];

/** What `name` asks the registry for; null: the model of WHISPER_MODEL. */
export const modelOf = (name: string): string | null =>
  name === "" || modelAliases.includes(name) ? null : name;
