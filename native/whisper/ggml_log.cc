#include "whisper/ggml_log.h"

#include <whisper.h>

#include <string>

#include "log.h"

namespace {

LogLevel level_of(ggml_log_level level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR:
      return LogLevel::error;
    case GGML_LOG_LEVEL_WARN:
      return LogLevel::warn;
    default:
      // whisper.cpp reports at "info" every buffer that it allocates for a run: detail, for us
      return LogLevel::debug;
  }
}

/** ggml logs parts of lines: they are joined per thread until the line ends. */
void on_ggml_log(ggml_log_level level, const char* text, void* /*user_data*/) {
  thread_local std::string line;
  line += text;
  if (line.empty() || line.back() != '\n') return;
  line.pop_back();
  log_line(level_of(level), line);
  line.clear();
}

}  // namespace

void forward_ggml_log() {
  whisper_log_set(on_ggml_log, nullptr);
}
