/** Resolves when all else that waits for this thread has had its turn: long work does its pieces with one between them. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
