/**
 * `npm run build:binary`: the whole program as one file, dist/whisper-api. It needs neither Bun nor Node, and of the system only the
 * C library; FFmpeg's libraries are used where the very ones of the build are installed. Arguments go to `bun build`.
 */
import { mkdirSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { run } from "./setup/command.mjs";
import { main } from "./setup/setup.mjs";

await main(async (bun, { root, env }, rest) => {
  const out = join(root, "dist", "whisper-api");
  mkdirSync(join(root, "dist"), { recursive: true });
  // Bun's usual build needs a processor of 2013; ours says what is missing, if it gets that far.
  const baseline = process.platform === "linux" && process.arch === "x64";
  const target = baseline ? ["--target=bun-linux-x64-baseline"] : [];
  const steps = [
    ["cmake", "--build", "build", "--target", "portable", "--parallel", String(cpus().length)],
    [bun, "build", "--compile", ...target, "src/binary.ts", "--outfile", out, ...rest],
  ];
  for (const [command = "", ...args] of steps) {
    const code = await run(command, args, { cwd: root, env });
    if (code !== 0) return code;
  }
  console.error(`${out}: ${(statSync(out).size / 2 ** 20).toFixed(0)} MiB`);
  return 0;
});
