#pragma once

#include <napi.h>

#include <functional>
#include <memory>

#include "engine/engine.h"
#include "node/pcm.h"
#include "whisper/options.h"

/** RunOptions of src/native.ts. Throws TypeError and RangeError that name the option. */
RunOptions run_options(const Napi::Value& value);

/**
 * Starts a run on a thread of its own and returns the Run of src/native.ts. `on_event` gets every Event on
 * the JS thread; `on_end` is called there when the thread has gone and holds nothing any more.
 */
Napi::Value start_run(Napi::Env env, std::shared_ptr<Engine> engine, Samples samples, RunOptions options,
                      Napi::Function on_event, std::function<void(Napi::Env)> on_end);
