#pragma once

#include <string_view>

/**
 * Length of the text over its length compressed by zlib: high for repetitive text. 0 for no text. Source:
 * compression_ratio in OpenAI's whisper/utils.py.
 */
float compression_ratio(std::string_view text);
