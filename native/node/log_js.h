#pragma once

#include <napi.h>

/** setLog() of src/native.ts. */
void set_log(const Napi::CallbackInfo& info);
