/** How long Bun lets a connection be quiet. */

/** The part of Bun's server that is needed for it; app.handle() has none. 0 seconds: without end. */
export type Timeouts = { timeout(request: Request, seconds: number): void } | null;

/** For a client that leaves an answer unread, or goes on with a body that was refused. */
export const idleSeconds = 120;
