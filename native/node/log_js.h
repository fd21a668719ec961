#pragma once

#include <napi.h>

/** setLog() of src/native.ts. */
void set_log(const Napi::CallbackInfo& info);

/** Once for each environment: at its end a sink that it has set is gone. */
void end_log_with(Napi::Env env);
