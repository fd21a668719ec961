#include "whisper/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <whisper.h>
#include "audio/audio.h"
#include "error.h"
#include "log.h"
#include "whisper/compression.h"
#include "whisper/speech.h"
#include "whisper/utf8.h"
#include "whisper/words.h"

namespace {

using Clock = std::chrono::steady_clock;

/** JSON has no infinity: what stands for the logarithm of a probability that is 0 in float. */
constexpr float kLowestLogprob = -100;
constexpr int64_t kMsPerFrame = 10;
constexpr int kFramesPerTimestamp = 2;

struct StateDeleter {
  void operator()(whisper_state* state) const { whisper_free_state(state); }
};
using State = std::unique_ptr<whisper_state, StateDeleter>;

float finite_logprob(float value) {
  return std::isfinite(value) ? std::max(value, kLowestLogprob) : kLowestLogprob;
}

int64_t elapsed_ms(Clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since).count();
}

int64_t ms_of(size_t samples) {
  return static_cast<int64_t>(samples * 1000 / kSampleRate);
}

/** The part of the recording that is asked for, in samples. */
std::pair<size_t, size_t> range_of(const RunOptions& options, size_t samples) {
  const auto at = [&](int64_t ms) { return std::min(samples, static_cast<size_t>(ms) * kSampleRate / 1000); };
  const size_t begin = at(options.offset_ms);
  return {begin, options.duration_ms == 0 ? samples : at(options.offset_ms + options.duration_ms)};
}

/** What whisper_full calls back into; lives on the run's thread for one run. */
class Listener {
 public:
  Listener(const Weights& weights, const RunOptions& options, const std::atomic<bool>& cancelled,
           Gate::Slot& slot, const std::function<void(Event)>& emit, const Condensed* condensed,
           int64_t offset_ms, int64_t part_ms)
      : weights_(weights),
        options_(options),
        cancelled_(cancelled),
        slot_(slot),
        emit_(emit),
        condensed_(condensed),
        offset_ms_(offset_ms),
        part_ms_(part_ms),
        last_end_ms_(offset_ms) {}

  void attach(whisper_full_params& params);
  /** Emits the segments of the window that has just been decoded. */
  void flush(whisper_state* state);
  bool failed() const { return failed_; }

 private:
  bool begin_window(whisper_state* state) noexcept;
  std::vector<Token> tokens_of(whisper_state* state, int index, int64_t seek) const;
  int64_t seek_of(whisper_state* state, int index) const;
  void emit_window(whisper_state* state, int first, int count);
  int64_t start_in_recording(int64_t ms) const {
    return offset_ms_ + (condensed_ ? condensed_->start_ms(ms) : ms);
  }
  int64_t end_in_recording(int64_t ms) const {
    return offset_ms_ + (condensed_ ? condensed_->end_ms(ms) : ms);
  }
  /** Audio of the part that is behind the present window. */
  int64_t done_ms() const;

  const Weights& weights_;
  const RunOptions& options_;
  const std::atomic<bool>& cancelled_;
  Gate::Slot& slot_;
  const std::function<void(Event)>& emit_;
  const Condensed* condensed_;
  // the part of the recording that is transcribed; whisper's own times count from its start, or are condensed
  const int64_t offset_ms_;
  const int64_t part_ms_;

  int windows_ = 0;
  int attempts_ = 0;
  int segments_ = 0;
  int percent_ = 0;
  int64_t last_end_ms_;
  bool failed_ = false;
};

void Listener::attach(whisper_full_params& params) {
  params.abort_callback = [](void* self) -> bool { return static_cast<Listener*>(self)->cancelled_; };
  params.abort_callback_user_data = this;
  params.encoder_begin_callback = [](whisper_context*, whisper_state* state, void* self) {
    return static_cast<Listener*>(self)->begin_window(state);
  };
  params.encoder_begin_callback_user_data = this;
  params.progress_callback = [](whisper_context*, whisper_state*, int percent, void* self) {
    static_cast<Listener*>(self)->percent_ = percent;
  };
  params.progress_callback_user_data = this;
  // whisper_full does not tell the temperature that it ended with; but it filters the logits of an empty
  // sequence exactly once per attempt, before any worker thread runs
  params.logits_filter_callback = [](whisper_context*, whisper_state*, const whisper_token_data*, int tokens,
                                     float*, void* self) {
    if (tokens == 0) ++static_cast<Listener*>(self)->attempts_;
  };
  params.logits_filter_callback_user_data = this;
}

/** Called by C code: whatever goes wrong ends the run by returning false. */
bool Listener::begin_window(whisper_state* state) noexcept {
  try {
    flush(state);
    if (windows_++ > 0) slot_.offer(done_ms());
    attempts_ = 0;
    return !cancelled_;
  } catch (...) {
    failed_ = true;
    return false;
  }
}

void Listener::flush(whisper_state* state) {
  if (windows_ == 0) return;
  const int count = whisper_full_n_segments_from_state(state);
  if (count > segments_) emit_window(state, segments_, count);
  segments_ = count;
  emit_(Progress{done_ms(), part_ms_});
}

int64_t Listener::done_ms() const {
  const int64_t whole_ms = condensed_ ? ms_of(condensed_->samples().size()) : part_ms_;
  const int64_t behind_ms = std::max(end_in_recording(whole_ms * percent_ / 100), last_end_ms_);
  return std::min(behind_ms - offset_ms_, part_ms_);
}

/**
 * Start of the window in frames. whisper_full makes a segment's times from it and a timestamp token, which is
 * the first or the last of its tokens; a token that is no timestamp carries in `tid` the most probable one,
 * from which the first segment's start was made when there was none.
 */
int64_t Listener::seek_of(whisper_state* state, int index) const {
  const int begin = whisper_token_beg(weights_.context());
  const auto first = whisper_full_get_token_data_from_state(state, index, 0);
  const auto last = whisper_full_get_token_data_from_state(
      state, index, whisper_full_n_tokens_from_state(state, index) - 1);
  if (first.id < begin && last.id > begin) {
    return whisper_full_get_segment_t1_from_state(state, index) - kFramesPerTimestamp * (last.id - begin);
  }
  return whisper_full_get_segment_t0_from_state(state, index) - kFramesPerTimestamp * (first.tid - begin);
}

std::vector<Token> Listener::tokens_of(whisper_state* state, int index, int64_t seek) const {
  whisper_context* context = weights_.context();
  const int begin = whisper_token_beg(context);
  const int count = whisper_full_n_tokens_from_state(state, index);
  const int64_t start = whisper_full_get_segment_t0_from_state(state, index);
  std::vector<Token> tokens;
  tokens.reserve(static_cast<size_t>(count) + 1);
  for (int i = 0; i < count; ++i) {
    const auto data = whisper_full_get_token_data_from_state(state, index, i);
    if (i == 0 && data.id < begin && options_.timestamps) {
      // whisper_full keeps the timestamp between two segments with the first only; OpenAI's segments have
      // both
      Token timestamp;
      timestamp.id = begin + static_cast<int>((start - seek) / kFramesPerTimestamp);
      timestamp.probability = 1;
      if (options_.word_times) {
        timestamp.start_ms = start_in_recording(start * kMsPerFrame);
        timestamp.end_ms = timestamp.start_ms;
      }
      tokens.push_back(std::move(timestamp));
    }
    Token token;
    token.id = data.id;
    token.probability = data.p;
    token.logprob = finite_logprob(data.plog);
    if (data.id < whisper_token_eot(context)) token.bytes = whisper_token_to_str(context, data.id);
    if (options_.word_times) {
      token.start_ms = start_in_recording(std::max<int64_t>(data.t0, start) * kMsPerFrame);
      token.end_ms = std::max(token.start_ms, end_in_recording(data.t1 * kMsPerFrame));
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/** Segments of one window share its averages, as in transcribe.py. */
void Listener::emit_window(whisper_state* state, int first, int count) {
  const int64_t seek = std::max<int64_t>(seek_of(state, first), 0);
  const std::string language = whisper_lang_str(whisper_full_lang_id_from_state(state));
  std::vector<Segment> window;
  std::string text;
  float logprobs = 0;
  int tokens = 0;
  for (int i = first; i < count; ++i) {
    Segment segment;
    segment.id = i;
    segment.seek = (start_in_recording(seek * kMsPerFrame)) / kMsPerFrame;
    segment.start_ms = std::max(
        start_in_recording(whisper_full_get_segment_t0_from_state(state, i) * kMsPerFrame), last_end_ms_);
    segment.end_ms =
        std::clamp(end_in_recording(whisper_full_get_segment_t1_from_state(state, i) * kMsPerFrame),
                   segment.start_ms, std::max(segment.start_ms, offset_ms_ + part_ms_));
    segment.tokens = tokens_of(state, i, seek);
    if (options_.word_times) {
      segment.words = merge_words(segment.tokens, language, segment.start_ms, segment.end_ms);
    }
    const std::string raw = whisper_full_get_segment_text_from_state(state, i);
    segment.text = valid_utf8(raw);
    segment.no_speech_prob = whisper_full_get_segment_no_speech_prob_from_state(state, i);
    segment.speaker_turn = whisper_full_get_segment_speaker_turn_next_from_state(state, i);
    text += raw;
    for (const Token& token : segment.tokens) logprobs += token.logprob;
    tokens += whisper_full_n_tokens_from_state(state, i);
    last_end_ms_ = segment.end_ms;
    window.push_back(std::move(segment));
  }
  const int fallbacks = std::max(attempts_ - 1, 0);
  for (Segment& segment : window) {
    segment.avg_logprob = logprobs / static_cast<float>(std::max(tokens, 1));
    segment.compression_ratio = compression_ratio(text);
    segment.temperature =
        options_.temperature + options_.temperature_increment * static_cast<float>(fallbacks);
    emit_(std::move(segment));
  }
}

/** The end of a text, where a character begins. */
std::string_view tail(std::string_view text, size_t longest) {
  if (text.size() <= longest) return text;
  text.remove_prefix(text.size() - longest);
  while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xc0) == 0x80) text.remove_prefix(1);
  return text;
}

/**
 * The tokens of a prompt. whisper takes its last 224 at most, so the end of the text is enough; and
 * whisper.cpp's tokenizer recurses once per letter (std::regex): a long text would overflow the thread's
 * stack.
 */
std::vector<whisper_token> prompt_tokens(const Weights& weights, const std::string& prompt) {
  const std::string end(tail(prompt, 2048));
  std::vector<whisper_token> tokens(end.size() + 1);  // a token is a byte at least
  const int count =
      whisper_tokenize(weights.context(), end.c_str(), tokens.data(), static_cast<int>(tokens.size()));
  tokens.resize(static_cast<size_t>(std::max(count, 0)));
  return tokens;
}

/** The parameters borrow the strings of `options` and the tokens of `prompt`. */
whisper_full_params params_of(const Weights& weights, const RunOptions& options,
                              const std::vector<whisper_token>& prompt) {
  const bool beams = options.beam_size > 1;
  auto params = whisper_full_default_params(beams ? WHISPER_SAMPLING_BEAM_SEARCH : WHISPER_SAMPLING_GREEDY);
  params.n_threads = options.threads;
  params.translate = options.translate;
  params.language = weights.multilingual() ? options.language.c_str() : "en";
  params.no_timestamps = !options.timestamps;
  params.token_timestamps = options.word_times;
  params.tdrz_enable = options.speaker_turns;
  params.suppress_blank = options.suppress_blank;
  params.suppress_nst = options.suppress_non_speech;
  params.temperature = options.temperature;
  params.temperature_inc = options.temperature_increment;
  params.max_initial_ts = static_cast<float>(options.max_initial_timestamp_ms) / 1000.0F;
  params.length_penalty = options.length_penalty;
  params.entropy_thold = options.entropy_threshold;
  params.logprob_thold = options.logprob_threshold;
  params.no_speech_thold = options.no_speech_threshold;
  params.greedy.best_of = options.best_of;
  params.beam_search.beam_size = options.beam_size;
  params.print_progress = false;
  params.prompt_tokens = prompt.data();
  params.prompt_n_tokens = static_cast<int>(prompt.size());
  params.carry_initial_prompt = options.carry_prompt;
  if (!options.condition_on_previous_text) {
    // whisper_full has one budget for both kinds of context: one just as long as the prompt leaves no room
    // for the text of the windows before. So without them a prompt stands before every window.
    params.n_max_text_ctx = prompt.empty() ? 0 : static_cast<int>(prompt.size()) + 1;
    params.carry_initial_prompt = true;
  }
  return params;
}

}  // namespace

Done run_whisper(const Weights& weights, const std::vector<float>& samples, const RunOptions& options,
                 Gate& gate, Gate::Place place, const std::atomic<bool>& cancelled,
                 const std::function<void(Event)>& emit) {
  const auto begin = Clock::now();
  const QuietWhen quiet(cancelled);
  Gate::Slot slot(gate, place, cancelled);

  const auto [from, to] = range_of(options, samples.size());
  const float* part = samples.data() + from;
  size_t count = to > from ? to - from : 0;
  const auto part_ms = ms_of(count);

  std::optional<Condensed> condensed;
  if (options.vad) {
    const auto speech = detect_speech(part, count, options, [&] { slot.offer(0); });
    condensed.emplace(part, speech);
    part = condensed->samples().data();
    count = condensed->samples().size();
  }

  Done done;
  done.language = options.language == "auto" ? weights.languages().front() : options.language;
  if (count > 0) {
    State state;
    {
      const std::lock_guard lock(weights.state_mutex());
      state.reset(whisper_init_state(weights.context()));
    }
    if (!state) throw Error("out_of_memory", "No memory for another run of this model");

    const auto prompt = prompt_tokens(weights, options.prompt);
    auto params = params_of(weights, options, prompt);
    Listener listener(weights, options, cancelled, slot, emit, condensed ? &*condensed : nullptr, ms_of(from),
                      part_ms);
    listener.attach(params);
    const int result =
        whisper_full_with_state(weights.context(), state.get(), params, part, static_cast<int>(count));
    // on -7 whisper_full has freed the state itself
    if (result == -7) {
      static_cast<void>(state.release());
      throw Error("out_of_memory", "No memory for the decoder's cache");
    }
    if (cancelled) throw Error("cancelled", "The run was cancelled");
    if (result != 0 || listener.failed()) {
      throw Error("internal", "whisper_full failed with code " + std::to_string(result));
    }
    listener.flush(state.get());
    const int language = whisper_full_lang_id_from_state(state.get());
    done.language = weights.multilingual() ? whisper_lang_str(language) : "en";
  }
  emit(Progress{part_ms, part_ms});
  done.wait_ms = slot.waited_ms();
  done.compute_ms = elapsed_ms(begin) - done.wait_ms;
  return done;
}
