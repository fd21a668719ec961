/** `npm start`: sets up what is missing, then is the server. */
import { become } from "./setup/command.mjs";
import { main } from "./setup/setup.mjs";

await main((bun, { root, env }, rest) => become(bun, ["src/main.ts", "serve", ...rest], { cwd: root, env }));
