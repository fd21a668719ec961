/** What operators see of what a request or a task asks of the store: how long it takes and, within a trace, spans. */
import type { Metrics } from "../metrics.ts";
import { isTraced, span } from "../tracing.ts";
import type { Store } from "./store.ts";

/** What is told: writes, and what a request waits for. Looking whether something has changed is not. */
const told = {
  cache: ["get", "put"],
  limiter: ["take", "give"],
  keys: ["find"],
  tasks: ["create", "append", "finish", "giveBack", "cancel", "remove"],
  webhooks: ["create", "addDelivery", "setDisabled", "remove"],
  jobs: ["add", "remove"],
  blobs: ["put", "open", "remove"],
} as const satisfies { readonly [Part in keyof Store]?: readonly (keyof Store[Part])[] };

/**
 * The same store; its operations are timed, those that fail among them. Within a span they have spans of their own: what is done
 * regularly has none around it, and makes none.
 */
export function observed(store: Store, metrics: Metrics): Store {
  const parts = Object.entries(told).map(([name, operations]) => {
    const part: object = store[name as keyof typeof told];
    const kind = name === "blobs" ? store.blobs.kind : store.kind;
    const attributes = name === "blobs" ? {} : { "db.system.name": kind };
    const acts = operations.map((operation) => {
      const title = `${name}.${operation}`;
      const act = (part as Record<string, Operation>)[operation]?.bind(part) as Operation;
      const labels = { store: kind, operation: title };
      const tell = (seconds: number) => metrics.storeSeconds.observe(labels, seconds);
      const asked: Operation = (...given) =>
        isTraced() ? span(title, attributes, () => act(...given), { kind: "client" }) : act(...given);
      return [operation, timed(asked, tell)] as const;
    });
    return [name, withOperations(part, new Map<PropertyKey, Operation>(acts))];
  });
  return Object.assign(Object.create(store), Object.fromEntries(parts));
}

type Operation = (...given: unknown[]) => Promise<unknown>;

/** `tell` gets the seconds until the answer came, or the failure. */
function timed(act: Operation, tell: (seconds: number) => void): Operation {
  return (...given) => {
    const startMs = performance.now();
    const answer = act(...given);
    const end = () => tell((performance.now() - startMs) / 1000);
    answer.then(end, end);
    return answer;
  };
}

/** The same object with these operations in place of its own. */
function withOperations(part: object, own: ReadonlyMap<PropertyKey, Operation>): object {
  return new Proxy(part, {
    get(target, key) {
      const value: unknown = own.get(key) ?? Reflect.get(target, key, target);
      // a method of a class with private members is only good on its own object
      return typeof value === "function" && !own.has(key) ? value.bind(target) : value;
    },
  });
}
