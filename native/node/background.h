#pragma once

#include <napi.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>

class Backgrounds;

/**
 * A thread of its own (never libuv's or Bun's pool, which long work would block for everybody) that talks to
 * the JS thread. Made, joined and destroyed on the JS thread.
 */
class Background {
 public:
  using Message = std::function<void(Napi::Env)>;

  /**
   * Runs `body` on a new thread; it must not throw. When the thread is joined and `body` destroyed, `on_end`
   * runs on the JS thread, unless the environment is going down: then it is only destroyed there. So JS
   * references belong into `on_end`; `body` and messages may use them by pointer. The process stays alive
   * until the end. `wake` is called by cancel(), for a body that waits for something; from any thread. Throws
   * Error internal when the system gives no thread; `on_end` is not called then.
   */
  static std::shared_ptr<Background> start(Napi::Env env, std::function<void(Background&)> body,
                                           Message on_end, std::function<void()> wake = nullptr);

  /** From the thread: runs `message` on the JS thread, in order. Dropped when the environment is going down.
   */
  void post(Message message);
  /** Sets the flag; from any thread, any number of times. */
  void cancel();
  const std::atomic<bool>& cancelled() const { return cancelled_; }

 private:
  friend class Backgrounds;
  void deliver(napi_env env);
  void join();

  std::atomic<bool> cancelled_{false};
  std::function<void()> wake_;
  std::thread thread_;
  Message on_end_;                    // JS thread only
  std::weak_ptr<Backgrounds> owner_;  // JS thread only
  napi_threadsafe_function to_js_ = nullptr;
  std::mutex mutex_;
  std::deque<Message> messages_;  // guarded by mutex_
};

/** The threads of one environment. JS thread only. When the environment ends, all are cancelled and joined.
 */
class Backgrounds {
 public:
  /** Those of an environment; made at the first call, which comes from the module's initialisation. */
  static std::shared_ptr<Backgrounds> of(Napi::Env env);

  void add(std::shared_ptr<Background> background) { all_.insert(std::move(background)); }
  void remove(const std::shared_ptr<Background>& background) { all_.erase(background); }

 private:
  void stop();

  std::unordered_set<std::shared_ptr<Background>> all_;
};
