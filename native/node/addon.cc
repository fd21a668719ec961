#include <napi.h>

#include <whisper.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "audio/audio.h"
#include "compute/kernels.h"
#include "node/js.h"
#include "node/live.h"
#include "node/log_js.h"
#include "node/model.h"
#include "node/pcm.h"
#include "whisper/ggml_log.h"
#include "whisper/openmp.h"

// The addon's exports: `Native` of src/native.ts.

namespace {

const char* type_of(ggml_backend_dev_t device) {
  switch (ggml_backend_dev_type(device)) {
    case GGML_BACKEND_DEVICE_TYPE_CPU:
      return "cpu";
    case GGML_BACKEND_DEVICE_TYPE_ACCEL:
      return "accelerator";
    default:
      return "gpu";
  }
}

/** What ggml was compiled with beside the CPU, whether there is such a device or not. */
Napi::Array backends_of_build(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  [[maybe_unused]] const auto add = [&](const char* name) { names.Set(names.Length(), name); };
#ifdef GGML_USE_CUDA
  add("CUDA");
#endif
#ifdef GGML_USE_METAL
  add("Metal");
#endif
#ifdef GGML_USE_VULKAN
  add("Vulkan");
#endif
  return names;
}

Napi::Value info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Napi::Array devices = Napi::Array::New(env);
  for (uint32_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    ggml_backend_dev_memory(device, &free_bytes, &total_bytes);
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", ggml_backend_dev_name(device));
    entry.Set("description", ggml_backend_dev_description(device));
    entry.Set("type", type_of(device));
    entry.Set("memoryBytes", static_cast<double>(total_bytes));
    devices.Set(i, entry);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("version", whisper_version());
  result.Set("system", whisper_print_system_info());
  result.Set("kernels", kernels().name);
  const std::string ffmpeg = ffmpeg_version();
  result.Set("ffmpeg", ffmpeg.empty() ? env.Null() : Napi::String::New(env, ffmpeg));
  result.Set("backends", backends_of_build(env));
  result.Set("devices", devices);
  return result;
}

/** Throws when the processor lacks what ggml is compiled for: its first vector would end the process. */
void check_processor(Napi::Env env) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    return;
  throw Napi::Error::New(env,
                         "This processor is too old for this build: it needs AVX2, FMA and BMI2 (x86-64-v3; "
                         "Intel since Haswell, AMD since Zen)");
#elif defined(NEEDS_DOTPROD) && defined(__linux__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) return;
  throw Napi::Error::New(env,
                         "This processor is too old for this build: it needs armv8.2 with dot products "
                         "(Raspberry Pi since 5, Graviton since 2)");
#else
  static_cast<void>(env);
#endif
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  check_processor(env);
  Backgrounds::of(env);
  end_log_with(env);
  forward_ggml_log();
  throttle_openmp_spinning();
  exports.Set("info", Napi::Function::New(env, info, "info"));
  exports.Set("setLog", Napi::Function::New(env, set_log, "setLog"));
  exports.Set("decode", Napi::Function::New(env, decode, "decode"));
  exports.Set("pcm", Napi::Function::New(env, pcm_from_samples, "pcm"));
  exports.Set("loadModel", Napi::Function::New(env, load_model, "loadModel"));
  exports.Set("openLive", Napi::Function::New(env, open_live, "openLive"));
  return exports;
}

}  // namespace

NODE_API_MODULE(whisper, init)
