/** How clients say and see what a session is set to: OpenAI's session object (GA), and the flat one of the beta. */
import { choice, ignored, object, type Reader } from "../core/read.ts";
import type { Format, SessionConfig, Spoken } from "./config.ts";
import { changed, settingReaders } from "./config-change.ts";

const betaFormats = {
  pcm16: { type: "audio/pcm", rate: 24_000 },
  g711_ulaw: { type: "audio/pcmu" },
  g711_alaw: { type: "audio/pcma" },
} as const satisfies Readonly<Record<string, Format>>;

const betaFormat: Reader<Format> = (value, path) =>
  betaFormats[choice("pcm16", "g711_ulaw", "g711_alaw")(value, path)];

/** What both have and we have no use for: it is what we sent. */
const sentBack = { object: ignored, id: ignored, expires_at: ignored, client_secret: ignored };

const shapes = (spoken: Spoken) => {
  const { include, ...settings } = settingReaders(spoken);
  const { transcription, noise_reduction, turn_detection } = settings;
  return {
    ga: object({
      ...sentBack,
      type: choice("transcription"),
      include,
      audio: object({
        input: object({ ...settings, detector: ignored }),
      }),
    }),
    beta: object({
      ...sentBack,
      type: ignored,
      modalities: ignored,
      detector: ignored,
      input_audio_format: betaFormat,
      input_audio_transcription: transcription,
      input_audio_noise_reduction: noise_reduction,
      turn_detection,
      include,
    }),
  };
};

/** `current` changed by a GA session object. Throws invalid_value or unknown_parameter, naming the place. */
export function update(current: SessionConfig, session: unknown, spoken: Spoken): SessionConfig {
  const { audio, include } = shapes(spoken).ga(session, "session");
  return changed(current, { ...audio?.input, include }, spoken, "session.audio.input");
}

/** `current` changed by a flat session object of the beta. Throws as `update`. */
export function updateBeta(current: SessionConfig, session: unknown, spoken: Spoken): SessionConfig {
  const given = shapes(spoken).beta(session, "session");
  const { input_audio_format: format, input_audio_transcription: transcription } = given;
  const { input_audio_noise_reduction: noise_reduction, turn_detection, include } = given;
  const change = { format, transcription, noise_reduction, turn_detection, include };
  return changed(current, change, spoken, "session");
}

export interface SessionIdentity {
  readonly id: string;
  /** Unix seconds; 0: it has not begun. */
  readonly expiresAt: number;
  /** What judges speech: ours, not OpenAI's. */
  readonly detector: string;
}

const head = ({ id, expiresAt }: SessionIdentity) => ({
  object: "realtime.transcription_session",
  id,
  expires_at: expiresAt,
});

/** OpenAI's session object. */
export function sessionObject(config: SessionConfig, identity: SessionIdentity) {
  const { include, ...input } = config;
  return {
    type: "transcription",
    ...head(identity),
    audio: { input: { ...input, detector: identity.detector } },
    include,
  };
}

/** The flat one of the beta. */
export function betaSessionObject(config: SessionConfig, identity: SessionIdentity) {
  const { format, transcription, noise_reduction, turn_detection, include } = config;
  const name = Object.entries(betaFormats).find(([, { type }]) => type === format.type)?.[0];
  return {
    ...head(identity),
    input_audio_format: name,
    input_audio_transcription: transcription,
    input_audio_noise_reduction: noise_reduction,
    turn_detection,
    include,
    detector: identity.detector,
  };
}
