/** `npm run bench`: sets up what is missing, then compares this server with whisper.cpp's own programs. */
import { become } from "./setup/command.mjs";
import { main } from "./setup/setup.mjs";

await main((bun, { root, env }, rest) => become(bun, ["bench/run.ts", ...rest], { cwd: root, env }));
