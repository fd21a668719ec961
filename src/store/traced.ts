/** Spans of what a request or a task asks of the store. */
import { isTraced, span } from "../tracing.ts";
import type { Store } from "./store.ts";

/** What is told: writes, and what a request waits for. Looking whether something has changed is not. */
const told = {
  cache: ["get", "put"],
  limiter: ["take", "give"],
  tasks: ["create", "append", "finish", "giveBack", "cancel", "remove"],
  webhooks: ["create", "addDelivery", "setDisabled", "remove"],
  jobs: ["add", "remove"],
  blobs: ["put", "open", "remove"],
} as const satisfies { readonly [Part in keyof Store]?: readonly (keyof Store[Part])[] };

/** The same store; within a span, its operations have spans of their own. What is done regularly has none around it, and makes none. */
export function traced(store: Store): Store {
  const parts = Object.entries(told).map(([name, operations]) => {
    const part = store[name as keyof typeof told];
    return [name, tracedPart(part, name, operations, store.kind)];
  });
  return Object.assign(Object.create(store), Object.fromEntries(parts));
}

type Operation = (...given: unknown[]) => Promise<unknown>;

function tracedPart(part: object, name: string, operations: readonly string[], kind: string): object {
  const attributes = name === "blobs" ? {} : { "db.system.name": kind };
  const own = new Map<PropertyKey, Operation>();
  for (const operation of operations) {
    const act: Operation = (part as Record<string, Operation>)[operation]?.bind(part) as Operation;
    own.set(operation, (...given) =>
      isTraced()
        ? span(`${name}.${operation}`, attributes, () => act(...given), { kind: "client" })
        : act(...given),
    );
  }
  return new Proxy(part, {
    get(target, key) {
      const value: unknown = own.get(key) ?? Reflect.get(target, key, target);
      // a method of a class with private members is only good on its own object
      return typeof value === "function" && !own.has(key) ? value.bind(target) : value;
    },
  });
}
