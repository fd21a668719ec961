/** Who may call, and how much. */
import { isRange } from "../../core/addresses.ts";
import { audioLimits, requestLimits } from "../../core/limits.ts";
import { list, setting } from "../notations.ts";

// What can stand in an Authorization header after "Bearer ".
const keys = list("keys separated by commas, each of printable ASCII without spaces", (item) =>
  /^[!-~]+$/.test(item) ? item : undefined,
);

// Browsers send origins in lower case and without a path; "https://app.example/" would never match.
const origins = list(
  "* or origins separated by commas: https://app.example, http://localhost:3000",
  (item) => {
    const origin = item.replace(/\/$/, "").toLowerCase();
    return origin === "*" || /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*]+$/.test(origin) ? origin : undefined;
  },
);

const ranges = list(
  "loopback, private, addresses and ranges, separated by commas: 10.0.0.0/8, 2001:db8::1",
  (item) => (isRange(item) ? item : undefined),
);

export const callers = {
  apiKeys: setting("API_KEY", keys, "", "Keys that callers may use, separated by commas; none = open.", true),
  rateLimits: setting(
    "RATE_LIMITS",
    requestLimits,
    "off",
    "Requests of each caller: 10/minute,50/hour (second, minute, hour, day).",
  ),
  rateLimitsAudio: setting("RATE_LIMITS_AUDIO", audioLimits, "off", "Audio of each caller: 60m/hour,5h/day."),
  trustedProxies: setting(
    "TRUSTED_PROXIES",
    ranges,
    "",
    "Whose X-Forwarded-For is believed: loopback, private, 10.0.0.0/8; none = nobody's.",
  ),
  allowedOrigins: setting("ALLOWED_ORIGINS", origins, "*", "Origins of web pages that may call (CORS)."),
};
