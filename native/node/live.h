#pragma once

#include <napi.h>

/** openLive() of src/native.ts. */
Napi::Value open_live(const Napi::CallbackInfo& info);
