import type { Case } from "../bench.ts";

/** Through the addon in this process: greedy runs of one clip, so that each is one row of every step. */
export const step: Case = {
  name: "step",
  about: "one step of the decoder with 1 and with 8 windows, through the addon",
  async run(bench, table) {
    if (!bench.settings.contenders.includes("whisper-api")) return;
    // Imported late: the other cases do not need the addon in this process.
    const [{ native }, { defaultOptions }] = await Promise.all([
      import("../../src/native.ts"),
      import("../../src/core/options.ts"),
    ]);
    const { model: path, threads } = bench.settings.decoding;
    const model = await native.loadModel(path, { gpu: 0, threads, slots: 8, slotsBytes: 0, kernels: true })
      .result;
    const { splitChannels: _, ...options } = defaultOptions;
    const clip = bench.recording("en-segments.wav");
    const decoded = await native.decode(clip, { splitChannels: false, maxChannels: 1, maxDurationMs: 60_000 })
      .result;
    const run = () =>
      new Promise<void>((resolve, reject) => {
        const own = { seed: 0, priority: "request", tokenEvents: false, vadModel: "" } as const;
        model.run(decoded, { ...options, ...own, language: "en", beamSize: 1 }, (event) => {
          if (event.type === "done") resolve();
          if (event.type === "error") reject(new Error(event.message));
        });
      });
    /** Milliseconds of a step in which so many runs take part. */
    const stepMs = async (runs: number) => {
      const before = model.counters();
      await Promise.all(Array.from({ length: runs }, run));
      const after = model.counters();
      return (after.decodingUs - before.decodingUs) / 1000 / (after.steps - before.steps);
    };
    await stepMs(1); // the first run takes its memory from the system
    for (let repetition = 0; repetition < bench.settings.repetitions; repetition++) {
      const one = await stepMs(1);
      const eight = await stepMs(8);
      table.add("step", "of 1 window", "ms", "whisper-api", one);
      table.add("step", "of 8 windows", "ms", "whisper-api", eight);
      table.add("step", "8 ÷ 1", "times", "whisper-api", eight / one);
    }
    decoded.close();
    await model.close();
  },
};
