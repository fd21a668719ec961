import { type Case, measure } from "../bench.ts";
import { clips, secondsOf } from "../recordings.ts";

export const concurrent: Case = {
  name: "concurrent",
  about: "8 different short clips at the same time: wall and CPU time of all, throughput",
  async run(bench, table) {
    const paths = clips.map((name) => bench.recording(name));
    const seconds = (await Promise.all(paths.map(secondsOf))).reduce((sum, each) => sum + each, 0);
    for await (const server of bench.serverTurns()) {
      const run = await measure(server, () =>
        Promise.all(paths.map((path) => server.transcribe(path, "en"))),
      );
      table.add("concurrent", "8 clips, wall", "ms", server.name, run.wallMs);
      table.add("concurrent", "8 clips, CPU", "ms", server.name, run.cpuMs);
      table.add(
        "concurrent",
        "8 clips, throughput",
        "x real time",
        server.name,
        (seconds * 1000) / run.wallMs,
      );
      for (const [i, text] of run.value.entries()) table.addText(clips[i] ?? "", "en", server.name, text);
    }
  },
};
