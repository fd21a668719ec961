/** Realtime sessions. */
import { duration, integer, setting } from "../notations.ts";

export const live = {
  maxSessions: setting(
    "MAX_SESSIONS",
    integer(0, 100_000),
    "64",
    "Realtime sessions at the same time; 0 = none.",
  ),
  maxSessionsPerCaller: setting(
    "MAX_SESSIONS_PER_CALLER",
    integer(1, 100_000),
    "16",
    "Those of one key, or without keys of one address.",
  ),
  sessionLifetimeMs: setting("SESSION_LIFETIME", duration(1000), "60m", "Longest realtime session."),
};
