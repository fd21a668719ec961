import type { Config } from "../config.ts";
import type { Store } from "../store/store.ts";
import type { TranscribeDeps } from "../transcribe.ts";

/** All that the HTTP layer is made of. The only way in for values of the layers below. */
export interface Deps extends TranscribeDeps {
  readonly config: Config;
  readonly store: Store;
  /** Whether voice activity detection has its weights now. */
  readonly hasVad: () => boolean;
  /** Fires when the server stops: what would go on without end has to end. */
  readonly stopping: AbortSignal;
  /** Of this server. */
  readonly version: string;
}
