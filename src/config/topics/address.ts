/** Where the server listens, and how it stops. */
import { duration, integer, setting, text } from "../notations.ts";

export const address = {
  host: setting("HOST", text, "0.0.0.0", "Address to listen on."),
  port: setting("PORT", integer(0, 65_535), "8000", "Port to listen on; 0 = any free one."),
  shutdownTimeoutMs: setting("SHUTDOWN_TIMEOUT", duration(0), "30s", "Time that running work has to end."),
};
