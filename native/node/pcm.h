#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

/** Samples of one channel, alive as long as the pointer is. */
using Samples = std::shared_ptr<const std::vector<float>>;

/** decode() of src/native.ts. */
Napi::Value decode(const Napi::CallbackInfo& info);

/** pcm() of src/native.ts. */
Napi::Value pcm_from_samples(const Napi::CallbackInfo& info);

/** The samples of a Pcm of one channel. Throws TypeError for anything else, and an error with code `closed`.
 */
Samples samples_of(const Napi::Value& value, const std::string& name);
