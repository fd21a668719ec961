import type { Config } from "../config/settings.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Models } from "../models/models.ts";
import type { Outbound } from "../net/outbound.ts";
import type { Store } from "../store/store.ts";
import type { TaskService } from "../tasks/tasks.ts";
import type { TaskWebhooks } from "../tasks/webhooks.ts";
import type { TranscribeDeps } from "../transcribe.ts";

/** All that the HTTP layer is made of. The only way in for values of the layers below. */
export interface Deps extends TranscribeDeps {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly store: Store;
  /** To what clients name. */
  readonly outbound: Outbound;
  readonly webhooks: TaskWebhooks;
  readonly tasks: TaskService;
  readonly models: Models;
  /** Whether voice activity detection has its weights now. */
  readonly hasVad: () => boolean;
  /** Fires when the server stops: what would go on without end has to end. */
  readonly stopping: AbortSignal;
  /** Of this server. */
  readonly version: string;
}
