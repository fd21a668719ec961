#include "node/background.h"

#include <system_error>
#include <utility>

#include "error.h"

namespace {

/** What a listener throws is the program's uncaught exception, not the thread's. */
void call(napi_env env, const Background::Message& message) {
  try {
    message(Napi::Env(env));
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

/** What Node-API keeps for us as a plain pointer: an owner of the object. */
template <typename T>
std::shared_ptr<T>* handed_over(std::shared_ptr<T> object) {
  return std::make_unique<std::shared_ptr<T>>(std::move(object)).release();
}

template <typename T>
std::shared_ptr<T> taken_back(void* pointer) {
  const std::unique_ptr<std::shared_ptr<T>> owner(static_cast<std::shared_ptr<T>*>(pointer));
  return std::move(*owner);
}

}  // namespace

std::shared_ptr<Background> Background::start(Napi::Env env, std::function<void(Background&)> body,
                                              Message on_end, std::function<void()> wake) {
  auto background = std::make_shared<Background>();
  background->wake_ = std::move(wake);
  background->on_end_ = std::move(on_end);
  background->owner_ = Backgrounds::of(env);

  const auto on_call = [](napi_env on, napi_value, void* context, void*) {
    (*static_cast<std::shared_ptr<Background>*>(context))->deliver(on);
  };
  const auto on_finalize = [](napi_env on, void*, void* context) {
    const auto self = taken_back<Background>(context);
    self->join();
    const auto owner = self->owner_.lock();
    if (owner) owner->remove(self);
    if (self->on_end_) call(on, std::exchange(self->on_end_, nullptr));
  };
  auto* context = handed_over(background);
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "whisper-api"), 0, 1,
                                      nullptr, on_finalize, context, on_call, &background->to_js_);
  if (status != napi_ok) {
    taken_back<Background>(context);
    throw Error("internal", "No thread-safe function could be made");
  }
  Backgrounds::of(env)->add(background);
  try {
    background->thread_ = std::thread([self = background.get(), run = std::move(body)]() mutable {
      run(*self);
      run = nullptr;
      napi_release_threadsafe_function(self->to_js_, napi_tsfn_release);
    });
  } catch (const std::system_error&) {
    background->on_end_ = nullptr;  // of what has never begun
    napi_release_threadsafe_function(background->to_js_, napi_tsfn_release);
    throw Error("internal", "No thread could be started");
  }
  return background;
}

void Background::post(Message message) {
  {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  napi_call_threadsafe_function(to_js_, nullptr, napi_tsfn_nonblocking);
}

void Background::cancel() {
  cancelled_ = true;
  if (wake_) wake_();
}

void Background::deliver(napi_env env) {
  std::deque<Message> messages;
  {
    const std::lock_guard lock(mutex_);
    messages.swap(messages_);
  }
  if (env == nullptr) return;
  for (const Message& message : messages) call(env, message);
}

void Background::join() {
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<Backgrounds> Backgrounds::of(Napi::Env env) {
  using Data = std::shared_ptr<Backgrounds>;
  if (const auto* data = env.GetInstanceData<Data>()) return *data;
  const auto backgrounds = std::make_shared<Backgrounds>();
  env.SetInstanceData<Data>(handed_over(backgrounds));  // Node-API deletes it with the environment
  env.AddCleanupHook([backgrounds] { backgrounds->stop(); });
  return backgrounds;
}

void Backgrounds::stop() {
  const auto all = std::exchange(all_, {});
  for (const auto& background : all) background->cancel();
  for (const auto& background : all) {
    background->join();
    background->on_end_ = nullptr;
  }
}
