import { type Case, measure } from "../bench.ts";

/** whisper-cli is the yardstick of CPU time: nothing but whisper.cpp and the loading of the weights. */
export const long: Case = {
  name: "long",
  about: "a long file by itself: wall and CPU time, whisper-cli included",
  async run(bench, table) {
    const { longFile } = bench.settings;
    for await (const contender of bench.turns(["whisper-api", "whisper-server", "whisper-cli"])) {
      const { text, wallMs, cpuMs } =
        contender === "whisper-cli" ? await bench.cli(longFile, "en") : await request(contender);
      table.add("long", `${longFile}, wall`, "ms", contender, wallMs);
      table.add("long", `${longFile}, CPU`, "ms", contender, cpuMs);
      table.addText(longFile, "en", contender, text);
    }

    async function request(name: "whisper-api" | "whisper-server") {
      const server = await bench.server(name);
      const run = await measure(server, () => server.transcribe(bench.recording(longFile), "en"));
      return { ...run, text: run.value };
    }
  },
};
