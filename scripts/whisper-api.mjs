/** `npm run whisper-api -- COMMAND`: the command line for who has Bun in .cache/ only; sets up what is missing before. */
import { become } from "./setup/command.mjs";
import { main } from "./setup/setup.mjs";

await main((bun, { root, env }, rest) => become(bun, ["src/main.ts", ...rest], { cwd: root, env }));
