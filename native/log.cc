#include "log.h"

namespace {

std::atomic<LogSink> current_sink{nullptr};
thread_local const std::atomic<bool>* quiet = nullptr;

}  // namespace

void set_log_sink(LogSink sink) {
  current_sink = sink;
}

void log_line(LogLevel level, const std::string& line) {
  const LogSink sink = current_sink;
  if (sink == nullptr || line.empty() || (quiet != nullptr && *quiet)) return;
  sink(level, line);
}

QuietWhen::QuietWhen(const std::atomic<bool>& flag) {
  quiet = &flag;
}
QuietWhen::~QuietWhen() {
  quiet = nullptr;
}
