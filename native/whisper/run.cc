#include "whisper/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "audio/audio.h"
#include "error.h"
#include "log.h"
#include "whisper/history.h"
#include "whisper/rules.h"
#include "whisper/search.h"
#include "whisper/speech.h"
#include "whisper/upstream.h"
#include "whisper/utf8.h"
#include "whisper/window.h"
#include "whisper/word_times.h"
#include "whisper/words.h"

namespace {

using Clock = std::chrono::steady_clock;

/** JSON has no infinity: what stands for the logarithm of a probability that is 0 in float. */
constexpr float kLowestLogprob = -100;
constexpr int64_t kMsPerFrame = 1000 / Session::kFramesPerSecond;
/** What is left of a recording and shorter than this says nothing: whisper.cpp's limit, 100 ms. */
constexpr int64_t kShortestFrames = 10;

int64_t elapsed_ms(Clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since).count();
}

/** The part of the recording that is asked for, in samples. */
std::pair<size_t, size_t> range_of(const RunOptions& options, size_t samples) {
  const auto at = [&](int64_t ms) { return std::min(samples, static_cast<size_t>(ms) * kSampleRate / 1000); };
  const size_t begin = at(options.offset_ms);
  return {begin, options.duration_ms == 0 ? samples : at(options.offset_ms + options.duration_ms)};
}

/** The way from the samples that the model hears back to the recording. */
struct Timeline {
  int64_t offset_ms;
  int64_t part_ms;
  const Condensed* condensed;

  int64_t start(int64_t ms) const { return offset_ms + (condensed ? condensed->start_ms(ms) : ms); }
  int64_t end(int64_t ms) const { return offset_ms + (condensed ? condensed->end_ms(ms) : ms); }
  int64_t last() const { return offset_ms + part_ms; }
};

class Transcription {
 public:
  Transcription(const Weights& weights, const RunOptions& options, Gate::Slot& slot,
                const std::atomic<bool>& cancelled, const std::function<void(Event)>& emit, Timeline timeline)
      : weights_(weights),
        options_(options),
        slot_(slot),
        cancelled_(cancelled),
        emit_(emit),
        timeline_(timeline),
        session_(weights),
        rules_(session_.vocabulary(), options),
        history_(session_, options),
        language_(options.language),
        last_end_ms_(timeline.offset_ms) {}

  /** Returns the language. */
  std::string run(const float* samples, size_t count) {
    samples_ = samples;
    count_ = count;
    session_.listen(samples, count, options_.threads);
    const int64_t frames = ms_of(count) / kMsPerFrame;
    for (int64_t frame = 0; frame + kShortestFrames < frames;) {
      if (frame > 0) slot_.offer(done_ms(frame));
      throw_if_cancelled(cancelled_);
      frame += transcribe_window(frame, std::min(frames - frame, Session::kWindowFrames));
      emit_(Progress{done_ms(frame), timeline_.part_ms});
    }
    return language_ == "auto" ? weights_.languages().front() : language_;
  }

 private:
  /** Returns how many frames are done. */
  int64_t transcribe_window(int64_t frame, int64_t frames) {
    session_.encode(frame, options_.threads);
    const float no_speech_prob = hear_start();
    const auto prompt = history_.prompt(start_tokens());
    const SearchContext context{session_, rules_, options_, cancelled_, prompt};
    const WindowResult result = decode_with_fallback(context, no_speech_prob, random_);
    if (is_silent(result, options_)) return frames;
    const Division division = divide(result.decoding.tokens, session_.vocabulary(), frames);
    for (const Slice& slice : division.slices) take(slice, result, frame);
    history_.end_window(result.temperature);
    return std::max<int64_t>(division.next_frame, 1);
  }

  /** One decode of <|startoftranscript|>: the probability of no speech, and the language when it is not
   * known. */
  float hear_start() {
    const Vocabulary& vocabulary = session_.vocabulary();
    session_.reset(1);
    session_.decode({{vocabulary.sot, 0, 0, true}}, options_.threads);
    const float* row = session_.logits(0);
    if (language_ == "auto" && !vocabulary.languages.empty()) {
      const auto likelier = [&](int a, int b) { return row[a] < row[b]; };
      const auto best = std::max_element(vocabulary.languages.begin(), vocabulary.languages.end(), likelier);
      language_ = weights_.languages()[static_cast<size_t>(best - vocabulary.languages.begin())];
    }
    std::vector<float> logprobs(row, row + vocabulary.size);
    log_softmax(logprobs);
    return std::exp(logprobs[static_cast<size_t>(vocabulary.no_speech)]);
  }

  std::vector<int> start_tokens() const {
    const Vocabulary& vocabulary = session_.vocabulary();
    std::vector<int> tokens = {vocabulary.sot};
    if (!vocabulary.languages.empty()) {
      const auto& codes = weights_.languages();
      const auto index = std::find(codes.begin(), codes.end(), language_) - codes.begin();
      tokens.push_back(vocabulary.languages[static_cast<size_t>(index)]);
      tokens.push_back(options_.translate ? vocabulary.translate : vocabulary.transcribe);
    }
    if (!options_.timestamps) tokens.push_back(vocabulary.no_timestamps);
    return tokens;
  }

  /** Emits a slice as a segment, unless it is empty. */
  void take(const Slice& slice, const WindowResult& result, int64_t frame) {
    const int64_t start_ms = (frame + slice.start_frame) * kMsPerFrame;
    const int64_t end_ms = (frame + slice.end_frame) * kMsPerFrame;
    std::vector<Token> tokens = tokens_of(slice, result.decoding);
    std::string text;
    for (const Token& token : tokens) text += token.bytes;
    if (start_ms == end_ms || text.find_first_not_of(' ') == std::string::npos) return;
    history_.add(result.decoding.tokens, slice);

    Segment segment;
    segment.id = next_id_++;
    segment.seek = timeline_.start(frame * kMsPerFrame) / kMsPerFrame;
    segment.start_ms = std::clamp(timeline_.start(start_ms), last_end_ms_, timeline_.last());
    segment.end_ms = std::clamp(timeline_.end(end_ms), segment.start_ms, timeline_.last());
    segment.text = valid_utf8(text);
    segment.avg_logprob = std::max(result.decoding.avg_logprob, kLowestLogprob);
    segment.no_speech_prob = result.no_speech_prob;
    segment.compression_ratio = result.compression_ratio;
    segment.temperature = result.temperature;
    segment.speaker_turn = std::any_of(tokens.begin(), tokens.end(), [&](const Token& token) {
      return token.id == session_.vocabulary().speaker_turn;
    });
    if (options_.word_times) {
      time_tokens(tokens, samples_, count_, start_ms, end_ms);
      for (Token& token : tokens) {
        token.start_ms = std::clamp(timeline_.start(token.start_ms), segment.start_ms, segment.end_ms);
        token.end_ms = std::clamp(timeline_.end(token.end_ms), token.start_ms, segment.end_ms);
      }
      segment.words = merge_words(tokens, language_, segment.start_ms, segment.end_ms);
    }
    segment.tokens = std::move(tokens);
    last_end_ms_ = segment.end_ms;
    emit_(std::move(segment));
  }

  std::vector<Token> tokens_of(const Slice& slice, const Decoding& decoding) const {
    std::vector<Token> tokens;
    for (size_t i = slice.first; i < slice.last; ++i) {
      Token token;
      token.id = decoding.tokens[i];
      token.bytes = session_.bytes_of(token.id);
      token.probability = std::exp(decoding.logprobs[i]);
      token.logprob = std::max(decoding.logprobs[i], kLowestLogprob);
      tokens.push_back(std::move(token));
    }
    return tokens;
  }

  int64_t done_ms(int64_t frame) const {
    const int64_t behind_ms =
        std::max(timeline_.end(frame * kMsPerFrame), last_end_ms_) - timeline_.offset_ms;
    return std::min(behind_ms, timeline_.part_ms);
  }

  const Weights& weights_;
  const RunOptions& options_;
  Gate::Slot& slot_;
  const std::atomic<bool>& cancelled_;
  const std::function<void(Event)>& emit_;
  const Timeline timeline_;
  Session session_;
  const Rules rules_;
  History history_;
  // a fixed seed: the same recording gives the same text
  std::mt19937 random_{0};
  const float* samples_ = nullptr;
  size_t count_ = 0;
  std::string language_;
  int next_id_ = 0;
  int64_t last_end_ms_;
};

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
  const int64_t part_ms = ms_of(count);
  std::optional<Condensed> condensed;
  if (options.vad) {
    condensed.emplace(part, detect_speech(part, count, options, [&] { slot.offer(0); }));
    part = condensed->samples().data();
    count = condensed->samples().size();
  }

  Done done;
  done.language = options.language == "auto" ? weights.languages().front() : options.language;
  if (count > 0) {
    const Timeline timeline{ms_of(from), part_ms, condensed ? &*condensed : nullptr};
    done.language = Transcription(weights, options, slot, cancelled, emit, timeline).run(part, count);
  }
  emit(Progress{part_ms, part_ms});
  done.wait_ms = slot.waited_ms();
  done.compute_ms = elapsed_ms(begin) - done.wait_ms;
  return done;
}
