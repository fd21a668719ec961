#pragma once

#include <napi.h>

/** loadModel() of src/native.ts. */
Napi::Value load_model(const Napi::CallbackInfo& info);
