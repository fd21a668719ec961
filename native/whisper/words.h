#pragma once

#include <string>
#include <vector>

#include "whisper/segment.h"

/**
 * Gives the segments of one window their words: their text tokens, which have times, merged into written
 * words with their punctuation, at spaces, or at every whole character for languages that are written without
 * them (zh, ja, th, lo, my, yue). Bytes of one character are never parted. Words that hold a pause are
 * shortened to twice the median of the window's: those after a sentence's end, those that the sign at its end
 * prolongs, and the first two after `spoken_until_ms` (where speech ended before the window) or an earlier
 * segment. Times lie inside the segment, in order, none negative. Rule: split_to_word_tokens of OpenAI's
 * whisper/tokenizer.py, merge_punctuations and add_word_timestamps of whisper/timing.py.
 */
void add_words(std::vector<Segment>& segments, const std::string& language, int64_t spoken_until_ms);
