#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "engine/engine.h"
#include "whisper/options.h"
#include "whisper/segment.h"

/**
 * One execution: transcribes 16 kHz samples window by window and gives each finished window's segments to
 * `emit`, on the calling thread, which it blocks until the end. Returns what the terminal event says; throws
 * Error cancelled, bad_model, out_of_memory, internal. Samples are only read. Source:
 * transcribe() of OpenAI's whisper/transcribe.py.
 */
Done run_whisper(Visit& visit, const std::vector<float>& samples, const RunOptions& options,
                 const std::atomic<bool>& cancelled, const std::function<void(Event)>& emit);
