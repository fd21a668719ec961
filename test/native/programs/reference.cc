// whisper.cpp as it is, for tests that compare us with it: `reference MODEL` reads jobs from standard input,
// one a line, and answers each with a line of JSON. A job is `key=value` fields with tabs between them; see
// Job. Each has a context of its own: whisper.cpp's random numbers and statistics go on from one call to the
// next.

#include <atomic>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <whisper.h>

#include "audio/audio.h"
#include "engine/engine.h"
#include "engine/session.h"
#include "whisper/options.h"
#include "whisper/speech.h"
#include "whisper/weights.h"

namespace {

/** The fields of one line; every number of RunOptions that is not given is an error. */
class Job {
 public:
  explicit Job(const std::string& line) {
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, '\t');) {
      const size_t sign = field.find('=');
      values_[field.substr(0, sign)] = field.substr(sign + 1);
    }
  }

  const std::string& text(const std::string& key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) throw std::invalid_argument("a job without " + key);
    return found->second;
  }
  float number(const std::string& key) const { return std::stof(text(key)); }
  int integer(const std::string& key) const { return std::stoi(text(key)); }
  bool is(const std::string& key) const { return text(key) == "true"; }

 private:
  std::map<std::string, std::string> values_;
};

struct ContextDeleter {
  void operator()(whisper_context* context) const { whisper_free(context); }
};

/** Attempts that failed, by log-probability (or for want of a timestamp) and by entropy: whisper.cpp only
 * logs them. */
struct Fallbacks {
  int probability = 0;
  int entropy = 0;
};

void read_log(ggml_log_level, const char* line, void* to) {
  auto& fallbacks = *static_cast<Fallbacks*>(to);
  const std::string text = line;
  const size_t at = text.find("fallbacks =");
  if (at == std::string::npos) return;
  std::sscanf(text.c_str() + at, "fallbacks = %d p / %d h", &fallbacks.probability, &fallbacks.entropy);
}

const std::vector<float>& samples_of(const std::string& path) {
  static std::string last;
  static Audio audio;
  if (path != last) {
    audio = decode_file(path, {false, 1, int64_t{4} * 3'600'000}, std::atomic<bool>(false));
    last = path;
  }
  return audio.channels.front();
}

RunOptions vad_options(const Job& job) {
  RunOptions options;
  options.vad_model = job.text("vadModel");
  options.vad_threshold = job.number("vadThreshold");
  options.vad_min_speech_ms = job.integer("vadMinSpeechMs");
  options.vad_min_silence_ms = job.integer("vadMinSilenceMs");
  options.vad_max_speech_ms = job.integer("vadMaxSpeechMs");
  options.vad_pad_ms = job.integer("vadPadMs");
  return options;
}

/** What our voice activity detection takes for speech. */
std::vector<Speech> speech_of(const std::string& model, const std::vector<float>& samples, const Job& job) {
  Visit visit(std::make_shared<Engine>(Weights::load(model, -1), Engine::Options{}), Priority::request);
  const std::atomic<bool> never{false};
  Session session(visit, never);
  return detect_speech(samples.data(), samples.size(), vad_options(job), session);
}

/** The options of src/native.ts as whisper_full takes them. */
whisper_full_params params_of(const Job& job) {
  const int beams = job.integer("beamSize");
  auto params =
      whisper_full_default_params(beams > 1 ? WHISPER_SAMPLING_BEAM_SEARCH : WHISPER_SAMPLING_GREEDY);
  params.n_threads = 1;
  params.print_progress = false;
  params.language = job.text("language").c_str();
  params.translate = job.text("task") == "translate";
  // whisper.cpp takes the text as it is, OpenAI puts a space before it
  params.initial_prompt = job.text("prompt").empty() ? nullptr : job.text("prompt").c_str();
  params.carry_initial_prompt = job.is("carryPrompt");
  if (!job.is("conditionOnPreviousText")) params.n_max_text_ctx = 0;
  params.temperature = job.number("temperature");
  params.temperature_inc = job.number("temperatureIncrement");
  params.logprob_thold = job.number("logprobThreshold");
  params.no_speech_thold = job.number("noSpeechThreshold");
  params.greedy.best_of = job.integer("bestOf");
  params.beam_search.beam_size = beams;
  params.length_penalty = job.number("lengthPenalty");
  params.suppress_blank = job.is("suppressBlank");
  params.suppress_nst = job.is("suppressNonSpeech");
  params.no_timestamps = !job.is("timestamps");
  params.token_timestamps = job.is("wordTimes");
  params.max_initial_ts = job.number("maxInitialTimestampMs") / 1000;
  if (job.text("vad") == "whisper.cpp") {
    params.vad = true;
    params.vad_model_path = job.text("vadModel").c_str();
  }
  return params;
}

std::string quoted(const std::string& text) {
  std::string to = "\"";
  for (const char each : text) {
    if (each == '"' || each == '\\') to += '\\';
    to += each;
  }
  return to + "\"";
}

/** Segments with times in milliseconds of the recording; tokens as [id, plog, ptsum] of whisper_token_data.
 */
std::string json_of(whisper_context* context, const Fallbacks& fallbacks, const Condensed* condensed) {
  std::ostringstream to;
  to.precision(9);
  to << R"({"language":")" << whisper_lang_str(whisper_full_lang_id(context))
     << R"(","fallbacks":{"probability":)" << fallbacks.probability << R"(,"entropy":)" << fallbacks.entropy
     << R"(},"segments":[)";
  for (int i = 0; i < whisper_full_n_segments(context); ++i) {
    int64_t start_ms = 10 * whisper_full_get_segment_t0(context, i);
    int64_t end_ms = 10 * whisper_full_get_segment_t1(context, i);
    if (condensed != nullptr) {
      start_ms = condensed->start_ms(start_ms);
      end_ms = condensed->end_ms(end_ms);
    }
    to << (i > 0 ? "," : "") << R"({"startMs":)" << start_ms << R"(,"endMs":)" << end_ms
       << R"(,"noSpeechProb":)" << whisper_full_get_segment_no_speech_prob(context, i) << R"(,"text":)"
       << quoted(whisper_full_get_segment_text(context, i)) << R"(,"tokens":[)";
    for (int j = 0; j < whisper_full_n_tokens(context, i); ++j) {
      const auto token = whisper_full_get_token_data(context, i, j);
      to << (j > 0 ? ",[" : "[") << token.id << ',' << token.plog << ',' << token.ptsum << ']';
    }
    to << "]}";
  }
  to << "]}";
  return to.str();
}

std::string answer(const std::string& model, const Job& job) {
  Fallbacks fallbacks;
  whisper_log_set(read_log, &fallbacks);
  auto context_params = whisper_context_default_params();
  context_params.use_gpu = false;
  context_params.flash_attn = job.is("flashAttention");
  const std::unique_ptr<whisper_context, ContextDeleter> context(
      whisper_init_from_file_with_params(model.c_str(), context_params));
  if (!context) throw std::runtime_error("The model could not be read");

  const std::vector<float>& all = samples_of(job.text("path"));
  std::unique_ptr<Condensed> condensed;
  if (job.text("vad") == "true") {
    condensed = std::make_unique<Condensed>(all.data(), speech_of(model, all, job));
  }
  const std::vector<float>& samples = condensed ? condensed->samples() : all;
  if (!samples.empty() &&
      whisper_full(context.get(), params_of(job), samples.data(), static_cast<int>(samples.size())) != 0) {
    throw std::runtime_error("whisper_full failed");
  }
  whisper_print_timings(context.get());
  return json_of(context.get(), fallbacks, condensed.get());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: reference MODEL < JOBS\n";
    return 2;
  }
  try {
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << answer(arguments[1], Job(line)) << std::endl;
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
