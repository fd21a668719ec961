/** The key that commands show to a server. */
import { loadConfig } from "../config/load.ts";

/** The given one, else the first of API_KEY. */
export const apiKey = (given: string | undefined): string | undefined =>
  given ?? loadConfig().config.apiKeys[0];
