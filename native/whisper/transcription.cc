#include "whisper/transcription.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "audio/audio.h"
#include "engine/spectrogram.h"
#include "error.h"
#include "whisper/utf8.h"
#include "whisper/words.h"

namespace {

/** JSON has no infinity: what stands for the logarithm of a probability that is 0 in float. */
constexpr float kLowestLogprob = -100;
constexpr int64_t kMsPerFrame = 1000 / upstream::kFramesPerSecond;
/** What is left of a recording and shorter than this says nothing: whisper.cpp's limit, 100 ms. */
constexpr int64_t kShortestFrames = 10;

}  // namespace

Transcription::Transcription(Session& session, const RunOptions& options, const std::atomic<bool>& cancelled,
                             const Emit& emit, const Timeline& timeline)
    : session_(session),
      weights_(session.weights()),
      vocabulary_(weights_.vocabulary()),
      options_(options),
      cancelled_(cancelled),
      emit_(emit),
      timeline_(timeline),
      rules_(vocabulary_, options),
      listener_(listener()),
      history_(weights_, options),
      random_(options.seed),
      last_end_ms_(timeline.start(0)) {}

void Transcription::run(const float* samples, size_t count, const std::string& language,
                        const std::function<void(const std::string&)>& on_language) {
  language_ = language;
  on_language_ = on_language;
  Spectrogram spectrogram(weights_, samples, count);
  const int64_t frames = ms_of(count) / kMsPerFrame;
  for (int64_t frame = 0; frame + kShortestFrames < frames;) {
    throw_if_cancelled(cancelled_);
    session_.encode(spectrogram.window(frame));
    const int64_t done = transcribe_window(frame, std::min<int64_t>(frames - frame, upstream::kWindowFrames));
    session_.served(done * kMsPerFrame);
    frame += done;
    emit_(Progress{done_ms(frame), timeline_.part_ms});
  }
}

/** Returns how many frames are done. */
int64_t Transcription::transcribe_window(int64_t frame, int64_t frames) {
  const WindowResult result = decode();
  if (is_silent(result, options_)) return frames;
  const Division division = divide(result.decoding.tokens, vocabulary_, frames);
  std::optional<Alignment> alignment;
  if (options_.word_times && !result.text.empty()) alignment = align(result.decoding.tokens, frames);
  const int64_t spoken_until_ms = last_end_ms_;
  std::vector<Segment> segments;
  for (const Slice& slice : division.slices) {
    auto segment = take(slice, result, frame, alignment);
    if (segment) segments.push_back(std::move(*segment));
  }
  if (alignment) add_words(segments, language_, spoken_until_ms);
  for (Segment& segment : segments) emit_(std::move(segment));
  history_.end_window(result.temperature);
  return std::max<int64_t>(division.next_frame, 1);
}

WindowResult Transcription::decode() {
  const Session::Decoding decoding(session_);
  const float no_speech_prob = hear_start();
  const auto prompt = history_.prompt(start_tokens());
  const SearchContext context{session_, rules_, options_, cancelled_, prompt, listener_};
  return decode_with_fallback(context, no_speech_prob, random_);
}

/** One decode of <|startoftranscript|>: the probability of no speech, and the language when it is not
 * known. */
float Transcription::hear_start() {
  session_.reset(1);
  session_.decode({{vocabulary_.sot, 0, 0, true}});
  const float* row = session_.logits(0);
  if (language_ == "auto" && !vocabulary_.languages.empty()) {
    const auto likelier = [&](int a, int b) { return row[a] < row[b]; };
    const auto best = std::max_element(vocabulary_.languages.begin(), vocabulary_.languages.end(), likelier);
    language_ = weights_.languages()[static_cast<size_t>(best - vocabulary_.languages.begin())];
  }
  if (on_language_) std::exchange(on_language_, nullptr)(language_);
  return std::exp(scores_of(row, vocabulary_.size).logprob(vocabulary_.no_speech));
}

std::vector<int> Transcription::start_tokens() const {
  std::vector<int> tokens = {vocabulary_.sot};
  if (!vocabulary_.languages.empty()) {
    const auto& codes = weights_.languages();
    const auto index = std::find(codes.begin(), codes.end(), language_) - codes.begin();
    tokens.push_back(vocabulary_.languages[static_cast<size_t>(index)]);
    tokens.push_back(options_.translate ? vocabulary_.translate : vocabulary_.transcribe);
  }
  if (!options_.timestamps) tokens.push_back(vocabulary_.no_timestamps);
  return tokens;
}

/** `tokens`: of the window, after the start tokens. */
Alignment Transcription::align(const std::vector<int>& tokens, int64_t frames) {
  std::vector<int> all = start_tokens();
  const size_t prompt = all.size();
  all.insert(all.end(), tokens.begin(), tokens.end());
  const Session::Decoding decoding(session_);
  return {session_.attend(all), prompt, frames / kFramesPerTimestamp};
}

/** Makes a segment of a slice, unless it is empty. */
std::optional<Segment> Transcription::take(const Slice& slice, const WindowResult& result, int64_t frame,
                                           const std::optional<Alignment>& alignment) {
  const int64_t start_ms = (frame + slice.start_frame) * kMsPerFrame;
  const int64_t end_ms = (frame + slice.end_frame) * kMsPerFrame;
  std::vector<Token> tokens = tokens_of(slice, result.decoding);
  std::string text;
  for (const Token& token : tokens) text += token.bytes;
  if (start_ms == end_ms || text.find_first_not_of(' ') == std::string::npos) return {};
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
  segment.speaker_turn = std::any_of(
      tokens.begin(), tokens.end(), [&](const Token& token) { return token.id == vocabulary_.speaker_turn; });
  if (alignment) set_times(tokens, slice, *alignment, frame, segment);
  segment.tokens = std::move(tokens);
  last_end_ms_ = segment.end_ms;
  return segment;
}

void Transcription::set_times(std::vector<Token>& tokens, const Slice& slice, const Alignment& alignment,
                              int64_t frame, const Segment& segment) const {
  const auto borders = alignment.borders(slice.first, slice.last, slice.start_frame / kFramesPerTimestamp,
                                         slice.end_frame / kFramesPerTimestamp);
  const auto ms_at = [&](size_t i) { return (frame + borders[i] * kFramesPerTimestamp) * kMsPerFrame; };
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i].start_ms = std::clamp(timeline_.start(ms_at(i)), segment.start_ms, segment.end_ms);
    tokens[i].end_ms = std::clamp(timeline_.end(ms_at(i + 1)), tokens[i].start_ms, segment.end_ms);
  }
}

Token Transcription::token_of(int id, float logprob) const {
  Token token;
  token.id = id;
  token.bytes = weights_.bytes_of(id);
  token.probability = std::exp(logprob);
  token.logprob = std::max(logprob, kLowestLogprob);
  return token;
}

std::vector<Token> Transcription::tokens_of(const Slice& slice, const Decoding& decoding) const {
  std::vector<Token> tokens;
  for (size_t i = slice.first; i < slice.last; ++i) {
    tokens.push_back(token_of(decoding.tokens[i], decoding.logprobs[i]));
  }
  return tokens;
}

/** Of a timestamp; -1 for text. */
int64_t Transcription::window_ms_of(int token) const {
  if (!vocabulary_.is_timestamp(token)) return -1;
  return (token - vocabulary_.timestamp_begin) * kFramesPerTimestamp * kMsPerFrame;
}

SearchListener Transcription::listener() const {
  if (!options_.token_events) return {};
  return {
      [this](int attempt, float temperature) { emit_(Attempt{attempt, temperature}); },
      [this](int token, float logprob) { emit_(Accepted{token_of(token, logprob), window_ms_of(token)}); }};
}

int64_t Transcription::done_ms(int64_t frame) const {
  const int64_t behind_ms = std::max(timeline_.end(frame * kMsPerFrame), last_end_ms_) - timeline_.offset_ms;
  return std::min(behind_ms, timeline_.part_ms);
}
