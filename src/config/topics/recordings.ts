/** What comes in, and the folders that it goes to. */
import { byteSize, duration, setting, text } from "../notations.ts";

export const recordings = {
  dataDir: setting("DATA_DIR", text, "data", "Folder of what the server writes."),
  uploadDir: setting("UPLOAD_DIR", text, "$DATA_DIR/uploads", "Folder of uploads while they are used."),
  maxFileSize: setting(
    "MAX_FILE_SIZE",
    byteSize(1),
    "52428800",
    "Largest upload: bytes, or 200k, 50MB, 1GiB.",
  ),
  maxDurationMs: setting("MAX_DURATION", duration(100), "4h", "Longest recording: seconds, or 90m, 4h."),
  uploadTimeoutMs: setting("UPLOAD_TIMEOUT", duration(1), "30s", "Longest pause within an upload."),
};
