import { type Case, measure } from "../bench.ts";

/** whisper-server cannot stream: its first text comes with its last. It is spared the longest file, see `long`. */
export const first: Case = {
  name: "first",
  about:
    "time until the first text is there, and all of it (whisper-api streams, whisper-server answers at the end)",
  async run(bench, table) {
    const { longFile } = bench.settings;
    for (const name of new Set(["en-segments.wav", "en-long-95s.mp3", longFile])) {
      for await (const server of bench.serverTurns()) {
        if (server.name === "whisper-server" && name === longFile) continue;
        const path = bench.recording(name);
        const add = (what: string, ms: number) =>
          table.add("first", `${name}, ${what}`, "ms", server.name, ms);
        if (server.name === "whisper-api") {
          const run = await measure(server, () => server.stream(path, "en"));
          add("first text", run.value.firstMs);
          add("whole answer", run.wallMs);
          table.addText(name, "en", server.name, run.value.text);
        } else {
          const run = await measure(server, () => server.transcribe(path, "en"));
          add("first text", run.wallMs);
          add("whole answer", run.wallMs);
          table.addText(name, "en", server.name, run.value);
        }
      }
    }
  },
};
