import { type Case, measure } from "../bench.ts";

const recording = "en-segments.wav";

/** The language in two ways: whisper.cpp encodes the first window twice when it has to detect it. */
export const clip: Case = {
  name: "clip",
  about: "a 10-second clip by itself, language given and detected: wall and CPU time",
  async run(bench, table) {
    for (const language of ["en", "auto"]) {
      for await (const server of bench.serverTurns()) {
        const run = await measure(server, () => server.transcribe(bench.recording(recording), language));
        table.add("clip", `10 s, language ${language}, wall`, "ms", server.name, run.wallMs);
        table.add("clip", `10 s, language ${language}, CPU`, "ms", server.name, run.cpuMs);
        table.addText(recording, language, server.name, run.value);
      }
    }
  },
};
