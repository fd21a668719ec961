#include "node/log_js.h"

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "log.h"
#include "node/js.h"

namespace {

/** Lines on their way to JavaScript; more are dropped, for a logger that cannot follow must not fill the
 * memory. */
constexpr size_t kMostLines = 1000;
constexpr std::array<const char*, 4> kLevels = {"debug", "info", "warn", "error"};

struct Line {
  LogLevel level;
  std::string text;
};

struct Mailbox {
  std::mutex mutex;
  std::deque<Line> lines;                    // guarded by mutex
  napi_threadsafe_function to_js = nullptr;  // guarded by mutex; null: lines are dropped
};

Mailbox& mailbox() {
  static Mailbox mailbox;
  return mailbox;
}

void receive(LogLevel level, const std::string& text) {
  Mailbox& box = mailbox();
  const std::lock_guard lock(box.mutex);
  if (box.to_js == nullptr || box.lines.size() >= kMostLines) return;
  box.lines.push_back({level, text});
  napi_call_threadsafe_function(box.to_js, nullptr, napi_tsfn_nonblocking);
}

void deliver(napi_env env, napi_value callback, void* /*context*/, void* /*data*/) {
  std::deque<Line> lines;
  {
    const std::lock_guard lock(mailbox().mutex);
    lines.swap(mailbox().lines);
  }
  if (env == nullptr) return;
  for (const Line& line : lines) {
    try {
      Napi::Function(env, callback)
          .Call({Napi::String::New(env, kLevels[static_cast<size_t>(line.level)]),
                 Napi::String::New(env, line.text)});
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env, error.Value());
    }
  }
}

/** Ends the present connection, so that no thread calls it any more. */
void disconnect() {
  set_log_sink(nullptr);
  const std::lock_guard lock(mailbox().mutex);
  mailbox().lines.clear();
  if (mailbox().to_js != nullptr) {
    napi_release_threadsafe_function(std::exchange(mailbox().to_js, nullptr), napi_tsfn_release);
  }
}

}  // namespace

void set_log(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info[0].IsNull()) return disconnect();
  const Napi::Function sink = js::function(info[0], "sink");
  disconnect();
  napi_threadsafe_function to_js = nullptr;
  const napi_status status = napi_create_threadsafe_function(
      env, sink, nullptr, Napi::String::New(env, "log"), 0, 1, nullptr, nullptr, nullptr, deliver, &to_js);
  if (status != napi_ok) throw js::error(env, "internal", "The log could not be connected");
  napi_unref_threadsafe_function(env, to_js);  // a log alone keeps no process alive
  {
    const std::lock_guard lock(mailbox().mutex);
    mailbox().to_js = to_js;
  }
  set_log_sink(receive);
  static bool hooked = false;
  if (!std::exchange(hooked, true)) env.AddCleanupHook(disconnect);
}
