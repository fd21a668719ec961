import { type Case, measure } from "../bench.ts";

const recordings = ["en-segments.wav", "en-long-95s.mp3"];

/** whisper-server cannot stream: its first text comes with its last. */
export const first: Case = {
  name: "first",
  about: "time until the first text is there (whisper-api streams, whisper-server answers at the end)",
  async run(bench, table) {
    for (const name of recordings) {
      for await (const server of bench.serverTurns()) {
        const path = bench.recording(name);
        const what = `${name}, first text`;
        if (server.name === "whisper-api") {
          const { text, firstMs } = await server.stream(path, "en");
          table.add("first", what, "ms", server.name, firstMs);
          table.addText(name, "en", server.name, text);
        } else {
          const run = await measure(server, () => server.transcribe(path, "en"));
          table.add("first", what, "ms", server.name, run.wallMs);
          table.addText(name, "en", server.name, run.value);
        }
      }
    }
  },
};
