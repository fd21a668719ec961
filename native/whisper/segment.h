#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

// What a run says, as plain values: copied out of whisper.cpp on its thread, read on the JS thread. Times are
// milliseconds in the original recording; -1 = not computed. Field by field the types of
// src/core/transcript.ts.

struct Token {
  int id = 0;
  /** UTF-8 of the token alone, perhaps a part of a character; empty for timestamp tokens. */
  std::string bytes;
  float probability = 0;
  float logprob = 0;
  int64_t start_ms = -1;
  int64_t end_ms = -1;
};

struct Word {
  std::string text;
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  float probability = 0;
};

struct Segment {
  int id = 0;
  /** Frames of 10 ms. */
  int64_t seek = 0;
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  std::string text;
  std::vector<Token> tokens;
  std::vector<Word> words;
  float avg_logprob = 0;
  float no_speech_prob = 0;
  float compression_ratio = 0;
  float temperature = 0;
  bool speaker_turn = false;
};

/** A window's decoding begins, 0 being the first time; what was accepted of it before does not count. */
struct Attempt {
  int number = 0;
  float temperature = 0;
};

/** A token that the present attempt's result will have. */
struct Accepted {
  Token token;
  /** Of a timestamp, from its window's start; -1 for text. */
  int64_t window_ms = -1;
};

struct Progress {
  int64_t done_ms = 0;
  int64_t total_ms = 0;
};

struct Done {
  std::string language;
  /** Time with and without a slot. */
  int64_t compute_ms = 0;
  int64_t wait_ms = 0;
};

struct Failure {
  std::string code;
  std::string message;
};

/** For each window its attempts with their tokens if they are wanted, its segments and Progress; then exactly
 * one Done or Failure. */
using Event = std::variant<Attempt, Accepted, Segment, Progress, Done, Failure>;
