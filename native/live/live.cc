#include "live/live.h"

#include <algorithm>
#include <utility>

#include "log.h"

namespace {

/** Between two looks at the flag, or the queue: about a second's, so that no cut and no end waits for more.
 */
constexpr size_t kMostBytes = size_t{64} << 10;
constexpr size_t kMostFrames = 31;

}  // namespace

Live::Live(const Options& options)
    : options_(options), stream_(std::make_unique<Stream>(options.rate, options.vad_model)) {}

bool Live::append(const uint8_t* bytes, size_t size) {
  const int64_t freed = std::min(forgotten_ms_ * options_.rate / 1000 * 2, judged_.load());
  const auto added = static_cast<int64_t>(size);
  if (ms_of_bytes(appended_ + added - freed) > options_.max_buffered_ms) return false;
  appended_ += added;
  for (size_t at = 0; at < size; at += kMostBytes) {
    put(Bytes(bytes + at, bytes + std::min(size, at + kMostBytes)));
  }
  return true;
}

void Live::cut(int64_t from_ms, int64_t to_ms) {
  put(Cut{from_ms, to_ms});
}

void Live::forget(int64_t before_ms) {
  forgotten_ms_ = std::max(forgotten_ms_, std::min(before_ms, appended_ms()));
  put(Forget{forgotten_ms_});
}

void Live::wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_one();
}

void Live::run(const std::atomic<bool>& cancelled, const Events& events) {
  static const std::atomic<bool> always{true};
  const QuietWhen quiet(always);  // whisper.cpp logs five lines each time that it looks for speech
  const auto stream = std::move(stream_);
  int64_t taken = 0;  // bytes
  int64_t done = 0;
  for (;;) {
    auto tasks = take(cancelled, stream->unjudged() == 0);
    for (; !tasks.empty() && !cancelled; tasks.pop_front()) {
      if (const auto* bytes = std::get_if<Bytes>(&tasks.front())) {
        stream->append(bytes->data(), bytes->size());
        taken += static_cast<int64_t>(bytes->size());
      } else if (const auto* cut = std::get_if<Cut>(&tasks.front())) {
        events.cut(stream->cut(cut->from_ms, cut->to_ms));
      } else {
        stream->forget(std::get<Forget>(tasks.front()).before_ms);
      }
      ++done;
    }
    if (cancelled) return;
    auto probabilities = stream->judge(kMostFrames);
    const bool idle = stream->unjudged() == 0;
    if (idle) judged_ = taken;
    if (!probabilities.empty()) events.frames(std::move(probabilities), stream->judged_ms());
    if (idle) events.idle(done);
  }
}

void Live::put(Task task) {
  ++made_;
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  changed_.notify_one();
}

std::deque<Live::Task> Live::take(const std::atomic<bool>& cancelled, bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [&] { return cancelled || !tasks_.empty(); });
  return std::exchange(tasks_, {});
}
