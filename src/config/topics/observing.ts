/** What operators see. */
import { baseUrl, flag, oneOf, optional, setting, text } from "../notations.ts";

export const observing = {
  logFormat: setting(
    "LOG_FORMAT",
    oneOf("auto", "json", "text"),
    "auto",
    "auto = text in a terminal, else json.",
  ),
  debug: setting("DEBUG", flag, "false", "Log more."),
  otlpEndpoint: setting(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    optional(baseUrl),
    "",
    "Where OpenTelemetry's spans go, by OTLP over HTTP: http://localhost:4318; none = nowhere.",
  ),
  serviceName: setting("OTEL_SERVICE_NAME", text, "whisper-api", "The name on these spans."),
};
