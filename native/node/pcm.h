#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "audio/audio.h"

/** Samples of one channel, alive as long as the pointer is. */
using Samples = std::shared_ptr<const std::vector<float>>;

/** decode() of src/native.ts. */
Napi::Value decode(const Napi::CallbackInfo& info);

/** pcm() of src/native.ts. */
Napi::Value pcm_from_samples(const Napi::CallbackInfo& info);

/** The Pcm of src/native.ts that has all channels. JS thread only. */
Napi::Object make_pcm(Napi::Env env, std::shared_ptr<const Audio> audio);

/** The samples of a Pcm of one channel. Throws TypeError for anything else, and an error with code `closed`.
 */
Samples samples_of(const Napi::Value& value, const std::string& name);
