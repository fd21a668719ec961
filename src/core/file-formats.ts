/** The refusal of a file that is no recording: for programs as OpenAI words it, for people without the list. */

const formats = ["flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"];

/** `reason` is a sentence of its own. */
export const invalidFileFormat = (reason: string) =>
  `Invalid file format. Supported formats: ${JSON.stringify(formats)}. ${reason}`;

/** Of any refusal. The list is OpenAI's: much more is read, so it would mislead whoever reads it. */
export const forPeople = (message: string) => message.replace(/ Supported formats: \[[^\]]*\]\./, "");
