import { StoreUnavailable } from "../store.ts";

/** What `act` gives; a failure (the disk is full, the file is locked or closed) rejects with StoreUnavailable. */
export async function ask<T>(act: () => T): Promise<T> {
  try {
    return act();
  } catch (error) {
    throw new StoreUnavailable(error);
  }
}
