/** What the server can do, and whether it is there. */
import { signal } from "@preact/signals";
import { getJson, type Refusal } from "./api.ts";
import { refreshTasks } from "./tasks.ts";

export interface Model {
  readonly id: string;
  /** Another name of that model. */
  readonly alias_of?: string;
  /** ISO codes. */
  readonly languages?: readonly string[];
  /** What it cannot do. */
  readonly warning?: string | null;
}

/** Those that there are, under their own names. */
export const models = signal<readonly Model[]>([]);
/** Why the page cannot work now. */
export const trouble = signal<Refusal | null>(null);

/** Asks the server who it is. Never throws: `trouble` tells. */
export async function meetServer(): Promise<void> {
  try {
    const { data } = await getJson<{ data: Model[] }>("v1/models");
    models.value = data.filter(({ alias_of }) => alias_of === undefined);
    trouble.value = null;
  } catch (error) {
    trouble.value = error as Refusal;
    return;
  }
  await refreshTasks();
}
