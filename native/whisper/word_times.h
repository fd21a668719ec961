#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "whisper/segment.h"

/**
 * Gives the text tokens of one segment their start and end. The text is spread over the sounding parts of the
 * segment by its length: letters count once, digits three times, spaces and punctuation nothing. `samples`:
 * 16 kHz, the timeline of start_ms and end_ms. Timestamp tokens get the segment's start or end.
 */
void time_tokens(std::vector<Token>& tokens, const float* samples, size_t count, int64_t start_ms,
                 int64_t end_ms);
