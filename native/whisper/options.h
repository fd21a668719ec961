#pragma once

#include <cstdint>
#include <string>

/** Order in which waiting runs are served. */
enum class Priority { live, request, batch };

/** RunOptions of src/native.ts, field by field; complete and valid when it arrives. */
struct RunOptions {
  bool translate = false;
  std::string language;
  std::string prompt;
  bool carry_prompt = false;
  bool condition_on_previous_text = true;
  float temperature = 0;
  float temperature_increment = 0;
  uint32_t seed = 0;
  float compression_ratio_threshold = 0;
  float logprob_threshold = 0;
  float no_speech_threshold = 0;
  int best_of = 1;
  int beam_size = 1;
  float patience = 1;
  float length_penalty = -1;
  bool suppress_blank = true;
  bool suppress_non_speech = false;
  bool timestamps = true;
  bool word_times = false;
  int64_t max_initial_timestamp_ms = 0;
  bool speaker_turns = false;
  int64_t offset_ms = 0;
  int64_t duration_ms = 0;
  bool token_events = false;
  bool vad = false;
  float vad_threshold = 0;
  int64_t vad_min_speech_ms = 0;
  int64_t vad_min_silence_ms = 0;
  int64_t vad_max_speech_ms = 0;
  int64_t vad_pad_ms = 0;
  std::string vad_model;
  Priority priority = Priority::request;
};
