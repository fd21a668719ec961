#pragma once

#include <atomic>
#include <string>

enum class LogLevel { debug, info, warn, error };

/** Receives whole lines, from any thread; must not block. */
using LogSink = void (*)(LogLevel level, const std::string& line);

/** Where log_line() goes, for the whole process, as the hooks of the libraries are; nullptr, the default:
 * nowhere. */
void set_log_sink(LogSink sink);

/** Any thread. */
void log_line(LogLevel level, const std::string& line);

/** While it lives, what the present thread logs is dropped once `flag` is set: a cancelled run is no error.
 */
class QuietWhen {
 public:
  explicit QuietWhen(const std::atomic<bool>& flag);
  ~QuietWhen();
  QuietWhen(const QuietWhen&) = delete;
  QuietWhen& operator=(const QuietWhen&) = delete;
};
