#pragma once

#include <napi.h>

#include "whisper/segment.h"

/** The RunEvent of src/native.ts. JS thread only. */
Napi::Object event_to_js(Napi::Env env, const Event& event);
