import { type Case, measure } from "../bench.ts";

const shortClip = "en-digits.wav";
/** Enough for the long file to have arrived and to be computed, on any machine that this is of interest for. */
const headStartMs = 1000;

export const behind: Case = {
  name: "behind",
  about: "a 3-second clip sent while a long file is running, against its time alone",
  async run(bench, table) {
    const { longFile } = bench.settings;
    for await (const server of bench.serverTurns()) {
      const clip = () => server.transcribe(bench.recording(shortClip), "en");
      const alone = await measure(server, clip);

      const abort = new AbortController();
      const longRun = server
        .transcribe(bench.recording(longFile), "en", { signal: abort.signal })
        .catch((error: unknown) => {
          if (!abort.signal.aborted) throw error;
        });
      const headStart = Bun.sleep(headStartMs).then(() => "running");
      if ((await Promise.race([longRun, headStart])) !== "running") {
        table.notes.add(`behind: ${longFile} was over in ${headStartMs} ms; a larger model would show more`);
        return;
      }
      try {
        const behind = await measure(server, clip);
        table.add("behind", "3 s alone, wall", "ms", server.name, alone.wallMs);
        table.add("behind", `3 s behind ${longFile}, wall`, "ms", server.name, behind.wallMs);
        table.add("behind", "3 s, behind ÷ alone", "times", server.name, behind.wallMs / alone.wallMs);
        table.addText(shortClip, "en", server.name, behind.value);
      } finally {
        // The next turn waits until the server has really stopped.
        abort.abort();
        await longRun;
      }
    }
  },
};
