#pragma once

#include <string>
#include <vector>

#include "whisper/segment.h"

/**
 * Merges text tokens into written words with their punctuation: at spaces, or at every whole character for
 * languages that are written without them (zh, ja, th, lo, my, yue). Bytes of one character are never parted.
 * The words' times lie inside [start_ms, end_ms], in order, none negative. Rule: split_to_word_tokens and
 * merge_punctuations of OpenAI's whisper/tokenizer.py and whisper/timing.py.
 */
std::vector<Word> merge_words(const std::vector<Token>& tokens, const std::string& language, int64_t start_ms,
                              int64_t end_ms);
