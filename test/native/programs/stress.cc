// The engine without Node, from several threads at once: `stress MODEL AUDIO... [-n RUNS] [-t THREADS] [-s
// SEED]`. Runs come, end, and are cancelled by another thread at random events; each that ends must say what
// it says alone. For the sanitizers (scripts/sanitize.mjs): they find what a right answer hides.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "audio/audio.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "error.h"
#include "whisper/ggml_log.h"
#include "whisper/options.h"
#include "whisper/run.h"
#include "whisper/segment.h"
#include "whisper/weights.h"

namespace {

struct Settings {
  std::string model;
  std::vector<std::string> recordings;
  int runs = 60;
  int threads = 4;
  unsigned seed = 1;
};

Settings settings_of(int count, char** arguments) {
  Settings settings;
  const std::vector<std::string> given(arguments + 1, arguments + count);
  for (size_t i = 0; i < given.size(); ++i) {
    const bool has_value = i + 1 < given.size();
    if (given[i] == "-n" && has_value) {
      settings.runs = std::stoi(given[++i]);
    } else if (given[i] == "-t" && has_value) {
      settings.threads = std::stoi(given[++i]);
    } else if (given[i] == "-s" && has_value) {
      settings.seed = static_cast<unsigned>(std::stoul(given[++i]));
    } else if (settings.model.empty()) {
      settings.model = given[i];
    } else {
      settings.recordings.push_back(given[i]);
    }
  }
  if (settings.recordings.empty()) throw std::invalid_argument("Expected a model and recordings");
  return settings;
}

/** The options of variant 0..kVariants-1, the defaults of src/core/options.ts beside it. */
constexpr int kVariants = 6;
RunOptions variant(int index) {
  RunOptions options;
  options.language = "en";
  options.temperature_increment = 0.2F;
  options.compression_ratio_threshold = 2.4F;
  options.logprob_threshold = -1;
  options.no_speech_threshold = 0.6F;
  options.best_of = 2;
  options.max_initial_timestamp_ms = 1000;
  if (index == 1) options.language = "auto";
  if (index == 2) options.beam_size = 3;
  if (index == 3) options.prompt = "Good morning.";
  if (index == 4) options.word_times = true;
  if (index == 5) options.temperature = 0.4F;
  return options;
}

/** What all threads share. */
struct Stage {
  std::vector<Audio> recordings;
  std::shared_ptr<Engine> engine;
  std::mutex mutex;
  /** Flags of the runs under way, for others to set; guarded by `mutex`. */
  std::vector<std::atomic<bool>*> cancellable;
};

/** Its text; throws Error cancelled. `on_event` is called on the run's thread. */
template <typename OnEvent>
std::string run(Stage& stage, size_t recording, const RunOptions& options, const std::atomic<bool>& cancelled,
                const OnEvent& on_event) {
  std::string text;
  Visit visit(stage.engine, options.priority);
  run_whisper(visit, stage.recordings[recording].channels.front(), options, cancelled,
              [&](const Event& event) {
                if (const auto* segment = std::get_if<Segment>(&event)) text += segment->text;
                on_event();
              });
  return text;
}

/** Sets the flag of a run under way, perhaps of the caller's own. */
void cancel_one(Stage& stage, std::mt19937& random) {
  {
    const std::lock_guard lock(stage.mutex);
    if (stage.cancellable.empty()) return;
    *stage.cancellable[random() % stage.cancellable.size()] = true;
  }
  Scheduler::wake();
}

struct Count {
  std::atomic<int> ended{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> wrong{0};
};

void perform(Stage& stage, const Settings& settings,
             const std::map<std::pair<size_t, int>, std::string>& alone, int number, Count& count) {
  std::mt19937 random(settings.seed * 1000 + static_cast<unsigned>(number));
  for (int i = number; i < settings.runs; i += settings.threads) {
    const size_t recording = random() % stage.recordings.size();
    const int index = static_cast<int>(random() % kVariants);
    RunOptions options = variant(index);
    options.priority = static_cast<Priority>(random() % 3);
    std::atomic<bool> cancelled{false};
    {
      const std::lock_guard lock(stage.mutex);
      stage.cancellable.push_back(&cancelled);
    }
    try {
      const std::string text = run(stage, recording, options, cancelled, [&] {
        if (random() % 4 == 0) cancel_one(stage, random);
      });
      ++count.ended;
      if (text != alone.at({recording, index})) {
        ++count.wrong;
        std::cerr << settings.recordings[recording] << ", variant " << index << ": " << text << '\n';
      }
    } catch (const Error& error) {
      if (error.code() != "cancelled") {
        ++count.wrong;
        std::cerr << error.what() << '\n';
      }
      ++count.cancelled;
    }
    const std::lock_guard lock(stage.mutex);
    for (auto at = stage.cancellable.begin(); at != stage.cancellable.end(); ++at) {
      if (*at != &cancelled) continue;
      stage.cancellable.erase(at);
      break;
    }
  }
}

int stress(const Settings& settings) {
  forward_ggml_log();
  Stage stage;
  const std::atomic<bool> never{false};
  for (const std::string& path : settings.recordings) {
    stage.recordings.push_back(decode_file(path, {false, 1, 600'000}, never));
  }
  // fewer slots than runs: some have to wait
  stage.engine = std::make_shared<Engine>(Weights::load(settings.model, -1),
                                          Engine::Options{1, std::max(1, settings.threads - 1)});

  std::map<std::pair<size_t, int>, std::string> alone;
  for (size_t recording = 0; recording < stage.recordings.size(); ++recording) {
    for (int index = 0; index < kVariants; ++index) {
      alone[{recording, index}] = run(stage, recording, variant(index), never, [] {});
    }
  }
  Count count;
  std::vector<std::thread> threads;
  for (int number = 0; number < settings.threads; ++number) {
    threads.emplace_back([&, number] { perform(stage, settings, alone, number, count); });
  }
  for (std::thread& thread : threads) thread.join();
  std::cout << "seed " << settings.seed << ": " << count.ended << " ended, " << count.cancelled
            << " cancelled, " << count.wrong << " wrong\n";
  return count.wrong == 0 && count.ended > 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return stress(settings_of(count, arguments));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
