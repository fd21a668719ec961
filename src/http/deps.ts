import type { Config } from "../config.ts";
import type { Logger } from "../log.ts";
import type { Models } from "../models/models.ts";

/** All that the HTTP layer is made of. The only way in for values of the layers below. */
export interface Deps {
  readonly config: Config;
  readonly log: Logger;
  readonly models: Models;
  /** Whether voice activity detection has its weights now. */
  readonly hasVad: () => boolean;
  /** Fires when the server stops: what would go on without end has to end. */
  readonly stopping: AbortSignal;
  /** Of this server. */
  readonly version: string;
}
