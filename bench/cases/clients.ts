import { type Case, measure } from "../bench.ts";
import { summarize } from "../stats.ts";

/** Everyone sends a clip, waits for its text, and sends the next: the load of a server that is used by so many. */
export const clients: Case = {
  name: "clients",
  about: "1 to 16 clients that send clip after clip: clips per minute, median latency",
  async run(bench, table) {
    const recording = bench.recording("en-segments.wav");
    for (const count of [1, 2, 4, 8, 16]) {
      for await (const server of bench.serverTurns()) {
        const latencies: number[] = [];
        const client = async () => {
          for (let clip = 0; clip < 2; clip++) {
            const started = performance.now();
            await server.transcribe(recording, "en");
            latencies.push(performance.now() - started);
          }
        };
        const { wallMs } = await measure(server, () => Promise.all(Array.from({ length: count }, client)));
        const { median } = summarize(latencies);
        table.add("clients", `${count} clients, latency`, "ms", server.name, median);
        table.add(
          "clients",
          `${count} clients, throughput`,
          "per minute",
          server.name,
          (latencies.length * 60_000) / wallMs,
        );
      }
    }
  },
};
