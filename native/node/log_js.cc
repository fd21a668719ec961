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

/** Where one setLog() leads. Made and freed by its thread-safe function, on its JS thread. */
struct Connection {
  napi_env env;
  napi_threadsafe_function to_js = nullptr;
  std::deque<Line> lines;  // guarded by `mutex`
};

std::mutex mutex;
/** Of the whole process, as the sink of log.h is; null: lines are dropped. Guarded by `mutex`. */
Connection* present = nullptr;

void receive(LogLevel level, const std::string& text) {
  const std::lock_guard lock(mutex);
  if (present == nullptr || present->lines.size() >= kMostLines) return;
  present->lines.push_back({level, text});
  napi_call_threadsafe_function(present->to_js, nullptr, napi_tsfn_nonblocking);
}

void deliver(napi_env env, napi_value callback, void* context, void* /*data*/) {
  std::deque<Line> lines;
  {
    const std::lock_guard lock(mutex);
    lines.swap(static_cast<Connection*>(context)->lines);
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

/** Ends the present connection: no thread calls it any more, what waits in it is dropped. With `mutex`. */
void replace_with(Connection* next) {
  set_log_sink(next == nullptr ? nullptr : receive);
  Connection* before = std::exchange(present, next);
  if (before == nullptr) return;
  before->lines.clear();
  napi_release_threadsafe_function(before->to_js, napi_tsfn_release);
}

void free_connection(napi_env /*env*/, void* /*data*/, void* context) {
  const std::unique_ptr<Connection> connection(static_cast<Connection*>(context));
  const std::lock_guard lock(mutex);
  if (present == connection.get()) present = nullptr;
}

}  // namespace

void end_log_with(Napi::Env env) {
  env.AddCleanupHook([env = napi_env(env)] {
    const std::lock_guard lock(mutex);
    if (present != nullptr && present->env == env) replace_with(nullptr);
  });
}

void set_log(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info[0].IsNull()) {
    const std::lock_guard lock(mutex);
    return replace_with(nullptr);
  }
  const Napi::Function sink = js::function(info[0], "sink");
  auto connection = std::make_unique<Connection>(Connection{env, nullptr, {}});
  const napi_status status =
      napi_create_threadsafe_function(env, sink, nullptr, Napi::String::New(env, "log"), 0, 1, nullptr,
                                      free_connection, connection.get(), deliver, &connection->to_js);
  if (status != napi_ok) throw js::error(env, "internal", "The log could not be connected");
  napi_unref_threadsafe_function(env, connection->to_js);  // a log alone keeps no process alive
  const std::lock_guard lock(mutex);
  replace_with(connection.release());  // free_connection's from here
}
