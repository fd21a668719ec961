#pragma once

#include <string>

/**
 * Checks that a file is a whole whisper model in ggml's format: header within bounds, vocabulary, every
 * tensor's data, and nothing missing at the end. whisper.cpp itself trusts all sizes that it reads (it
 * allocates and asserts on them, which would end the process), and takes a file that breaks off for a smaller
 * model. Reads only what describes the data. Throws Error io, bad_model. Layout: whisper_model_load in
 * whisper.cpp.
 */
void check_model_file(const std::string& path);

/** The same for Silero's weights. Layout: whisper_vad_init_with_params in whisper.cpp. */
void check_vad_file(const std::string& path);
