#include "node/model.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "node/js.h"
#include "node/run.h"

namespace {

/** A model as JavaScript holds it: the engine until it is closed, and who waits for the last run. JS thread
 * only. */
struct Handle {
  std::shared_ptr<Engine> engine;
  int runs = 0;
  std::vector<Napi::Promise::Deferred> closing;

  void settle(Napi::Env env) {
    if (runs > 0) return;
    for (const auto& deferred : std::exchange(closing, {})) deferred.Resolve(env.Undefined());
  }
};

Napi::Value run(const std::shared_ptr<Handle>& handle, const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Samples samples = samples_of(info[0], "pcm");
  RunOptions options = run_options(info[1]);
  const Napi::Function on_event = js::function(info[2], "onEvent");
  // after the options, whose getters may close it
  if (!handle->engine) throw js::error(env, "closed", "The model is closed");
  const auto& languages = handle->engine->weights().languages();
  if (options.language != "auto" &&
      std::find(languages.begin(), languages.end(), options.language) == languages.end()) {
    throw js::expected("\"auto\" or a language of the model", "language",
                       info[1].As<Napi::Object>()["language"]);
  }
  if (options.translate && !handle->engine->weights().multilingual()) {
    throw js::expected("\"transcribe\", all that an English-only model does,", "task",
                       info[1].As<Napi::Object>()["task"]);
  }
  const Napi::Value started =
      start_run(env, handle->engine, samples, std::move(options), on_event, [handle](Napi::Env on) {
        --handle->runs;
        handle->settle(on);
      });
  ++handle->runs;
  return started;
}

Napi::Value close(const std::shared_ptr<Handle>& handle, const Napi::CallbackInfo& info) {
  const auto deferred = Napi::Promise::Deferred::New(info.Env());
  handle->engine.reset();
  handle->closing.push_back(deferred);
  handle->settle(info.Env());
  return deferred.Promise();
}

Napi::Value counters(const std::shared_ptr<Handle>& handle, Napi::Env env) {
  if (!handle->engine) throw js::error(env, "closed", "The model is closed");
  const Counters counted = handle->engine->counters();
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* key, int64_t value) { object.Set(key, static_cast<double>(value)); };
  set("windows", counted.windows);
  set("encodingUs", counted.encoding_us);
  set("steps", counted.steps);
  set("rows", counted.rows);
  set("decodingUs", counted.decoding_us);
  set("slotsInUse", handle->engine->slots_in_use());
  return object;
}

Napi::Value make_model(Napi::Env env, const std::shared_ptr<Engine>& engine) {
  const Weights& weights = engine->weights();
  const auto handle = std::make_shared<Handle>(Handle{engine, 0, {}});
  const auto& codes = weights.languages();
  Napi::Array languages = Napi::Array::New(env, codes.size());
  for (uint32_t i = 0; i < codes.size(); ++i) languages.Set(i, codes[i]);
  Napi::Object model = Napi::Object::New(env);
  model.Set("type", weights.type());
  model.Set("multilingual", weights.multilingual());
  model.Set("precision", weights.precision());
  model.Set("bytes", static_cast<double>(weights.bytes()));
  model.Set("slots", engine->slots());
  model.Set("bytesPerSlot", static_cast<double>(engine->bytes_per_slot()));
  model.Set("languages", languages);
  model.Set("run",
            Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) { return run(handle, info); }));
  model.Set("counters", Napi::Function::New(env, [handle](const Napi::CallbackInfo& info) {
              return counters(handle, info.Env());
            }));
  model.Set("close", Napi::Function::New(
                         env, [handle](const Napi::CallbackInfo& info) { return close(handle, info); }));
  model.Freeze();
  return model;
}

}  // namespace

Napi::Value load_model(const Napi::CallbackInfo& info) {
  const std::string path = js::string(info[0], "path");
  const Napi::Object options = js::object(info[1], "options");
  const auto gpu = static_cast<int>(js::integer(options["gpu"], "gpu", -1, 255));
  Engine::Options engine_options;
  engine_options.threads = static_cast<int>(js::integer(options["threads"], "threads", 1, 512));
  engine_options.slots = static_cast<int>(js::integer(options["slots"], "slots", 1, 512));
  engine_options.kernels = js::boolean(options["kernels"], "kernels");
  engine_options.slots_bytes =
      static_cast<size_t>(js::integer(options["slotsBytes"], "slotsBytes", 0, int64_t{1} << 50));
  return js::job(info.Env(), [path, gpu, engine_options](const std::atomic<bool>& cancelled) {
    const auto engine = std::make_shared<Engine>(Weights::load(path, gpu), engine_options);
    if (cancelled) throw Error("cancelled", "Loading was cancelled");
    return [engine](Napi::Env env) { return make_model(env, engine); };
  });
}
