#include "whisper/run.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <utility>

#include "audio/audio.h"
#include "engine/session.h"
#include "log.h"
#include "whisper/cuts.h"
#include "whisper/in_order.h"
#include "whisper/speech.h"
#include "whisper/transcription.h"

namespace {

using Clock = std::chrono::steady_clock;

int64_t elapsed_ms(Clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since).count();
}

/** The part of the recording that is asked for, in samples. */
std::pair<size_t, size_t> range_of(const RunOptions& options, size_t samples) {
  const auto at = [&](int64_t ms) { return std::min(samples, samples_in(ms)); };
  const size_t begin = at(options.offset_ms);
  return {begin, options.duration_ms == 0 ? samples : at(options.offset_ms + options.duration_ms)};
}

/** Everything that a run is made of, to be taken apart into pieces that are transcribed side by side. */
struct Work {
  Visit& visit;
  const RunOptions& options;
  const std::atomic<bool>& cancelled;
  const std::function<void(Event)>& emit;
  const float* samples;
  size_t count;
  Timeline timeline;
};

/** Returns the language. */
std::string transcribe(const Work& work, Session& session) {
  std::string language = work.options.language;
  Transcription(session, work.options, work.cancelled, work.emit, work.timeline)
      .run(work.samples, work.count, language, [&](const std::string& heard) { language = heard; });
  return language;
}

/** Pieces without a common history: each in a slot of its own, the first one's language being that of all. */
std::string transcribe_side_by_side(const Work& work, const std::vector<size_t>& cuts) {
  std::promise<std::string> heard;
  const std::shared_future<std::string> language = heard.get_future().share();
  const auto first_language = [&](size_t piece) {
    return piece == 0 ? work.options.language : language.get();
  };
  int next_id = 0;
  const auto in_order = [&](Event event) {
    if (auto* segment = std::get_if<Segment>(&event)) segment->id = next_id++;
    work.emit(std::move(event));
  };
  const auto transcribe_piece = [&](size_t piece, const std::function<void(Event)>& emit) {
    bool told = piece > 0;
    const auto tell = [&](const std::string& found) {
      if (!std::exchange(told, true)) heard.set_value(found);
    };
    try {
      Timeline timeline = work.timeline;
      timeline.base_ms = ms_of(cuts[piece]);
      Session session(work.visit, work.cancelled);
      Transcription(session, work.options, work.cancelled, emit, timeline)
          .run(work.samples + cuts[piece], cuts[piece + 1] - cuts[piece], first_language(piece), tell);
      tell(work.options.language);
    } catch (...) {
      if (!std::exchange(told, true)) heard.set_exception(std::current_exception());
      throw;
    }
  };
  // half of the slots stay free for others
  const auto most = static_cast<size_t>(std::max(work.visit.engine().slots() / 2, 1));
  run_in_order<Event>(cuts.size() - 1, most, transcribe_piece, in_order);
  return language.get();
}

}  // namespace

Done run_whisper(Visit& visit, const std::vector<float>& samples, const RunOptions& options,
                 const std::atomic<bool>& cancelled, const std::function<void(Event)>& emit) {
  const auto begin = Clock::now();
  const QuietWhen quiet(cancelled);
  Session session(visit, cancelled);

  const auto [from, to] = range_of(options, samples.size());
  const float* part = samples.data() + from;
  size_t count = to > from ? to - from : 0;
  const int64_t part_ms = ms_of(count);
  std::optional<Condensed> condensed;
  if (options.vad) {
    condensed.emplace(part, detect_speech(part, count, options, session));
    part = condensed->samples().data();
    count = condensed->samples().size();
  }

  Done done;
  done.language = options.language;
  if (count > 0) {
    const Timeline timeline{ms_of(from), part_ms, condensed ? &*condensed : nullptr, 0};
    const Work work{visit, options, cancelled, emit, part, count, timeline};
    const auto cuts =
        options.condition_on_previous_text ? std::vector<size_t>{0, count} : cut_at_silences(part, count);
    done.language = cuts.size() == 2 ? transcribe(work, session) : transcribe_side_by_side(work, cuts);
  }
  if (done.language == "auto") done.language = visit.engine().weights().languages().front();
  emit(Progress{part_ms, part_ms});
  done.wait_ms = session.waited_ms();
  done.compute_ms = elapsed_ms(begin) - done.wait_ms;
  return done;
}
