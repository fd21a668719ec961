import { type Case, servers } from "../bench.ts";
import { clips } from "../recordings.ts";

const bytesPerMiB = 1024 * 1024;

/** Peaks only grow, so each turn has a server of its own. */
export const memory: Case = {
  name: "memory",
  about: "peak memory of a fresh server: started, after one clip, after 8 at the same time",
  async run(bench, table) {
    const paths = clips.map((name) => bench.recording(name));
    for await (const name of bench.turns(servers)) {
      const server = await bench.freshServer(name);
      const sample = (what: string) => {
        const bytes = server.peakBytes();
        table.add("memory", `peak, ${what}`, "MiB", name, bytes === null ? null : bytes / bytesPerMiB);
      };
      try {
        sample("started");
        await server.transcribe(bench.recording("en-segments.wav"), "en");
        sample("1 run");
        await Promise.all(paths.map((path) => server.transcribe(path, "en")));
        sample("8 runs");
      } finally {
        await server.stop();
      }
    }
  },
};
