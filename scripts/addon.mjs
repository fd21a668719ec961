/** `npm run build:addon`: everything that `npm start` sets up, and no server. Takes the same build flags. */
import { main } from "./setup/setup.mjs";

await main(async () => 0);
