/** What the browser remembers for this page. A browser that forbids it (private windows) forgets. */
import { effect, type Signal, signal } from "@preact/signals";

const prefix = "whisper-api.";

/** A signal that keeps its value. `initial` has the keys that there are: others that were kept are dropped. */
export function kept<T extends string | object>(name: string, initial: T): Signal<T> {
  const value = signal<T>(read(name, initial));
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      localStorage.setItem(prefix + name, text);
    } catch {
      // it lives as long as the page
    }
  });
  return value;
}

function read<T extends string | object>(name: string, initial: T): T {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(prefix + name) ?? "null");
    if (typeof found !== typeof initial || found === null) return initial;
    if (typeof initial === "string") return found as T;
    const known = Object.entries(initial).map(([key, fallback]) => {
      const value = (found as Record<string, unknown>)[key];
      return [key, typeof value === typeof fallback ? value : fallback];
    });
    return Object.fromEntries(known) as T;
  } catch {
    return initial;
  }
}
