#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "log.h"

namespace {

/** Rows of one step, at most, and of them those of one prompt: a long prompt does not hold up the others. */
constexpr size_t kMostRows = 128;
constexpr size_t kMostPromptRows = 32;

int slots_that_fit(const Network& network, const Device& device, const Engine::Options& options) {
  const size_t each = Caches::bytes_per_slot(network, device.kernels());
  size_t room = options.slots_bytes;
  // half of a GPU's free memory: graphs need some as well
  if (!device.kernels() && device.free_bytes() > 0) {
    room = room == 0 ? device.free_bytes() / 2 : std::min(room, device.free_bytes() / 2);
  }
  const int slots = room == 0
                        ? options.slots
                        : static_cast<int>(std::min<size_t>(room / each, static_cast<size_t>(options.slots)));
  return std::max(slots, 1);
}

using Clock = std::chrono::steady_clock;

int64_t elapsed_us(Clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - since).count();
}

}  // namespace

Engine::Engine(std::shared_ptr<Weights> weights, const Options& options)
    : weights_(std::move(weights)),
      scheduler_(Scheduler::shared()),
      device_(upstream::backends(*weights_->context()), options.threads, options.kernels),
      caches_(weights_->network(), device_, slots_that_fit(weights_->network(), device_, options)),
      encoder_(weights_->network(), device_, caches_),
      decoder_(weights_->network(), device_, caches_, weights_->alignment_heads()),
      group_(scheduler_, caches_.slots(), [this](const auto& requests) { step(requests); }) {
  log_line(LogLevel::info, std::to_string(caches_.slots()) + " windows at the same time, " +
                               std::to_string(bytes_per_slot() >> 20) + " MiB each");
}

bool Engine::encode(int stage, int slot, const std::vector<float>& mel) {
  const auto begin = Clock::now();
  encoder_.compute(stage, slot, mel);
  const bool last = stage + 1 == encoder_.stages();
  const std::lock_guard lock(counters_mutex_);
  counters_.windows += last ? 1 : 0;
  counters_.encoding_us += elapsed_us(begin);
  return last;
}

size_t Engine::bytes_per_slot() const {
  return Caches::bytes_per_slot(weights_->network(), device_.kernels());
}

Counters Engine::counters() const {
  const std::lock_guard lock(counters_mutex_);
  return counters_;
}

void Engine::step(const std::vector<Request*>& requests) {
  const auto begin = Clock::now();
  size_t room = kMostRows;
  std::vector<Rows> parts;
  for (Request* request : requests) {
    const size_t count = std::min({request->rows.size() - request->done, kMostPromptRows, room});
    if (count == 0) continue;
    float* attention = nullptr;
    if (request->wants_attention) {
      Attention& to = request->attention;
      to.heads = static_cast<int>(weights_->alignment_heads().size());
      to.rows = static_cast<int>(request->rows.size());
      to.frames = weights_->network().audio_context;
      to.weights.resize(static_cast<size_t>(to.heads) * request->rows.size() *
                        static_cast<size_t>(to.frames));
      attention = to.weights.data() + request->done * static_cast<size_t>(to.frames);
    }
    parts.push_back({request->slot, request->rows.data() + request->done, static_cast<int>(count),
                     &request->logits, attention, static_cast<int>(request->rows.size())});
    request->done += count;
    room -= count;
  }
  decoder_.step(parts);
  const std::lock_guard lock(counters_mutex_);
  counters_.steps += 1;
  counters_.rows += static_cast<int64_t>(kMostRows - room);
  counters_.decoding_us += elapsed_us(begin);
}
