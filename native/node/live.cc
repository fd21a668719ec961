#include "node/live.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audio/audio.h"
#include "live/live.h"
#include "node/js.h"
#include "node/pcm.h"

namespace {

constexpr const char* kOnFrames = "onFrames";

/** What the thread's messages reach; lives at least as long as they come. JS thread only. */
struct Listener {
  /**
   * The Live of JavaScript. Held while it has something to do. Then it is weak: one that nobody holds will
   * never get more, and is collected. It has `onFrames` as a hidden property, since a reference to that
   * function would keep what it closes over, the Live as a rule.
   */
  Napi::ObjectReference object;
  bool held = false;
  /** For a Pcm, in the order of the calls. */
  std::deque<Napi::Promise::Deferred> waiting;
  /** Why nothing more is taken. */
  std::optional<Error> ended;

  void hear(Napi::Env env, const std::vector<float>& probabilities, int64_t end_ms) {
    const Napi::Object live = object.Value();
    if (ended || live.IsEmpty()) return;
    auto array = Napi::Float32Array::New(env, probabilities.size());
    std::copy(probabilities.begin(), probabilities.end(), array.Data());
    live.Get(kOnFrames).As<Napi::Function>().Call(
        {array, Napi::Number::New(env, static_cast<double>(end_ms))});
  }

  void hold() {
    if (!std::exchange(held, true)) object.Ref();
  }

  void let_go() {
    if (std::exchange(held, false)) object.Unref();
  }

  void answer(Napi::Env env, std::shared_ptr<const Audio> audio) {
    if (waiting.empty()) return;
    waiting.front().Resolve(make_pcm(env, std::move(audio)));
    waiting.pop_front();
  }

  void end(Napi::Env env, const Error& why) {
    if (!ended) ended = why;
    for (const auto& deferred : std::exchange(waiting, {})) {
      deferred.Reject(js::error(env, why.code(), why.what()).Value());
    }
    let_go();
  }
};

/** What the functions of a Live share; when it is closed or they are collected, the thread ends. JS thread
 * only. */
struct Handle {
  std::shared_ptr<Live> live;
  std::shared_ptr<Listener> listener;
  std::shared_ptr<Background> background;

  Handle(std::shared_ptr<Live> of, std::shared_ptr<Listener> to, std::shared_ptr<Background> on)
      : live(std::move(of)), listener(std::move(to)), background(std::move(on)) {}
  ~Handle() { background->cancel(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
};

Error closed() {
  return Error("closed", "The Live is closed");
}

std::shared_ptr<Background> start(Napi::Env env, const std::shared_ptr<Live>& live,
                                  const std::shared_ptr<Listener>& listener) {
  return Background::start(
      env,
      [live, to = listener.get()](Background& self) {
        Live::Events events;
        events.frames = [&](std::vector<float> probabilities, int64_t end_ms) {
          self.post([to, probabilities = std::move(probabilities), end_ms](Napi::Env on) {
            to->hear(on, probabilities, end_ms);
          });
        };
        events.cut = [&](std::vector<float> samples) {
          auto audio = std::make_shared<Audio>();
          audio->format = "pcm_s16le";
          audio->channels.push_back(std::move(samples));
          self.post([to, audio](Napi::Env on) { to->answer(on, audio); });
        };
        events.idle = [&](int64_t done) {
          self.post([to, live, done](Napi::Env) {
            if (done == live->tasks()) to->let_go();
          });
        };
        js::guarded([&] { live->run(self.cancelled(), events); },
                    [&](const std::string& code, const std::string& message) {
                      self.post([to, why = Error(code, message)](Napi::Env on) { to->end(on, why); });
                    });
      },
      [listener](Napi::Env on) { listener->end(on, closed()); }, [live] { live->wake(); });
}

void append(const Handle& handle, const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw js::expected("a Uint8Array", "bytes", info[0]);
  }
  const auto bytes = info[0].As<Napi::Uint8Array>();
  if (bytes.ElementLength() == 0) return;  // no task to wait for
  if (handle.live->append(bytes.Data(), bytes.ElementLength())) return handle.listener->hold();
  throw Napi::RangeError::New(info.Env(), "Expected bytes for which there is room but received " +
                                              std::to_string(bytes.ElementLength()) +
                                              " more than maxBufferedMs allows");
}

Napi::Value pcm(const Handle& handle, const Napi::CallbackInfo& info) {
  const int64_t from = js::integer(info[0], "fromMs", handle.live->forgotten_ms(), js::kLongestMs);
  const int64_t to = js::integer(info[1], "toMs", from, js::kLongestMs);
  handle.live->cut(from, to);
  handle.listener->hold();
  return handle.listener->waiting.emplace_back(Napi::Promise::Deferred::New(info.Env())).Promise();
}

void forget(const Handle& handle, const Napi::CallbackInfo& info) {
  handle.live->forget(js::integer(info[0], "beforeMs", 0, js::kLongestMs));
}

void close(const Handle& handle, const Napi::CallbackInfo& info) {
  handle.listener->end(info.Env(), closed());
  handle.background->cancel();
}

}  // namespace

Napi::Value open_live(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object given = js::object(info[0], "options");
  Live::Options options;
  options.rate = static_cast<int>(js::integer(given["rate"], "rate", 8000, 96000));
  options.vad_model = js::string(given["vadModel"], "vadModel");
  options.max_buffered_ms = js::integer(given["maxBufferedMs"], "maxBufferedMs", 1, js::kLongestMs);
  const Napi::Function on_frames = js::function(info[1], kOnFrames);

  const auto live = js::with_code(env, [&] { return std::make_shared<Live>(options); });
  Napi::Object object = Napi::Object::New(env);
  const auto listener = std::make_shared<Listener>();
  listener->object = Napi::Weak(object);
  const auto handle = std::make_shared<Handle>(
      live, listener, js::with_code(env, [&] { return start(env, live, listener); }));

  const auto set = [&](const char* name, auto function) {
    object.Set(name, Napi::Function::New(env, [handle, function](const Napi::CallbackInfo& call) {
                 if (handle->listener->ended) {
                   throw js::error(call.Env(), handle->listener->ended->code(),
                                   handle->listener->ended->what());
                 }
                 return function(*handle, call);
               }));
  };
  set("append", append);
  set("pcm", pcm);
  set("forget", forget);
  object.Set("close", Napi::Function::New(
                          env, [handle](const Napi::CallbackInfo& call) { return close(*handle, call); }));
  object.DefineProperties({Napi::PropertyDescriptor::Accessor(
                               env, object, "appendedMs",
                               [live](const Napi::CallbackInfo& call) {
                                 return Napi::Number::New(call.Env(),
                                                          static_cast<double>(live->appended_ms()));
                               },
                               napi_enumerable),
                           Napi::PropertyDescriptor::Value(kOnFrames, on_frames, napi_default)});
  object.Freeze();
  return object;
}
