#include "node/pcm.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "node/js.h"

namespace {

/** Tells our objects from all others; made at random. */
constexpr napi_type_tag kPcmTag = {0x8d1c5b0e7f2a4936, 0xa6e3f94d20b8c751};

/** Channels [first, first + count) of an Audio that several Pcm may share. */
struct View {
  std::shared_ptr<const Audio> audio;
  size_t first;
  size_t count;
};

Napi::Object make_pcm(Napi::Env env, View view) {
  const auto shared = std::make_shared<View>(std::move(view));
  Napi::Object pcm = Napi::Object::New(env);
  pcm.Set("channels", static_cast<double>(shared->count));
  pcm.Set("samples", static_cast<double>(shared->audio->samples()));
  pcm.Set("durationMs", static_cast<double>(shared->audio->duration_ms()));
  pcm.Set("format", shared->audio->format);
  pcm.Set("channel", Napi::Function::New(env, [shared](const Napi::CallbackInfo& info) -> Napi::Value {
            if (!shared->audio) throw js::error(info.Env(), "closed", "The Pcm is closed");
            const auto last = static_cast<int64_t>(shared->count) - 1;
            const auto index = static_cast<size_t>(js::integer(info[0], "index", 0, last));
            return make_pcm(info.Env(), View{shared->audio, shared->first + index, 1});
          }));
  pcm.Set("close", Napi::Function::New(env, [shared](const Napi::CallbackInfo&) { shared->audio.reset(); }));

  auto owner = std::make_unique<std::shared_ptr<View>>(shared);
  const auto free_owner = [](napi_env, void* data, void*) {
    const std::unique_ptr<std::shared_ptr<View>> back(static_cast<std::shared_ptr<View>*>(data));
  };
  if (napi_wrap(env, pcm, owner.get(), free_owner, nullptr, nullptr) != napi_ok) {
    throw js::error(env, "internal", "The Pcm could not be made");
  }
  static_cast<void>(owner.release());  // free_owner's from here
  pcm.TypeTag(&kPcmTag);
  pcm.Freeze();
  return pcm;
}

}  // namespace

Napi::Object make_pcm(Napi::Env env, std::shared_ptr<const Audio> audio) {
  const size_t channels = audio->channels.size();
  return make_pcm(env, View{std::move(audio), 0, channels});
}

Samples samples_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kPcmTag))
    throw js::expected("a Pcm", name, value);
  void* data = nullptr;
  napi_unwrap(value.Env(), value, &data);
  const View& view = **static_cast<std::shared_ptr<View>*>(data);
  if (!view.audio) throw js::error(value.Env(), "closed", "The Pcm is closed");
  if (view.count != 1) throw js::expected("a Pcm of one channel", name, value);
  return {view.audio, &view.audio->channels[view.first]};
}

Napi::Value decode(const Napi::CallbackInfo& info) {
  const auto given = js::object(info[1], "options");
  DecodeOptions options;
  options.split_channels = js::boolean(given["splitChannels"], "splitChannels");
  options.max_channels = static_cast<int>(js::integer(given["maxChannels"], "maxChannels", 1, 64));
  options.max_duration_ms = js::integer(given["maxDurationMs"], "maxDurationMs", 1, js::kLongestMs);

  const auto work = [options](auto decoder) -> js::Work {
    return [options, decoder](const std::atomic<bool>& cancelled) {
      auto audio = std::make_shared<const Audio>(decoder(options, cancelled));
      return [audio](Napi::Env env) { return make_pcm(env, audio); };
    };
  };
  if (info[0].IsString()) {
    return js::job(info.Env(),
                   work([path = js::string(info[0], "source")](const auto& with, const auto& cancelled) {
                     return decode_file(path, with, cancelled);
                   }));
  }
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw js::expected("a path or a Uint8Array", "source", info[0]);
  }
  // copied: JavaScript may write to them, transfer or shrink their buffer while the thread reads
  const auto given_bytes = info[0].As<Napi::Uint8Array>();
  const auto bytes = std::make_shared<const std::vector<uint8_t>>(
      given_bytes.Data(), given_bytes.Data() + given_bytes.ElementLength());
  return js::job(info.Env(), work([bytes](const auto& with, const auto& cancelled) {
                   return decode_bytes(bytes->data(), bytes->size(), with, cancelled);
                 }));
}

Napi::Value pcm_from_samples(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw js::expected("a Float32Array", "samples", info[0]);
  }
  const auto samples = info[0].As<Napi::Float32Array>();
  auto audio = std::make_shared<Audio>();
  audio->format = "pcm_f32le";
  audio->channels.emplace_back(samples.Data(), samples.Data() + samples.ElementLength());
  for (float& sample : audio->channels.front()) {
    if (!std::isfinite(sample)) sample = 0;
  }
  return make_pcm(info.Env(), std::move(audio));
}
