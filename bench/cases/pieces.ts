import { type Case, measure } from "../bench.ts";

/** Without carried text whisper-api cuts the file at silences and decodes the pieces side by side. */
export const pieces: Case = {
  name: "pieces",
  about: "a long file without carried text: wall and CPU time",
  async run(bench, table) {
    const { longFile } = bench.settings;
    const fields = { condition_on_previous_text: "false", no_context: "true" }; // each server knows one of them
    for await (const server of bench.serverTurns()) {
      const run = await measure(server, () => server.transcribe(bench.recording(longFile), "en", { fields }));
      table.add("pieces", `${longFile}, wall`, "ms", server.name, run.wallMs);
      table.add("pieces", `${longFile}, CPU`, "ms", server.name, run.cpuMs);
      table.addText(`${longFile} without carried text`, "en", server.name, run.value);
    }
  },
};
