#include "whisper/gate.h"

#include "error.h"

void Gate::set_slots(int slots) {
  const std::lock_guard lock(mutex_);
  slots_ = slots;
  changed_.notify_all();
}

void Gate::wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

Gate::Slot::Slot(Gate& gate, Place place, const std::atomic<bool>& cancelled)
    : gate_(gate), place_(place), cancelled_(cancelled) {
  std::unique_lock lock(gate_.mutex_);
  take(lock);
}

Gate::Slot::~Slot() {
  if (!held_) return;
  const std::lock_guard lock(gate_.mutex_);
  --gate_.taken_;
  gate_.changed_.notify_all();
}

void Gate::Slot::offer(int64_t served_ms) {
  std::unique_lock lock(gate_.mutex_);
  place_.served_ms = served_ms;
  const bool comes_first = gate_.waiting_.empty() || place_ < *gate_.waiting_.begin();
  if (comes_first && gate_.taken_ <= gate_.slots_) return;
  --gate_.taken_;
  held_ = false;
  gate_.changed_.notify_all();
  take(lock);
}

void Gate::Slot::take(std::unique_lock<std::mutex>& lock) {
  const auto begin = std::chrono::steady_clock::now();
  const auto mine = gate_.waiting_.insert(place_).first;
  gate_.changed_.wait(
      lock, [&] { return cancelled_ || (gate_.taken_ < gate_.slots_ && mine == gate_.waiting_.begin()); });
  gate_.waiting_.erase(mine);
  const auto waited = std::chrono::steady_clock::now() - begin;
  waited_ms_ += std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
  gate_.changed_.notify_all();
  throw_if_cancelled(cancelled_);
  ++gate_.taken_;
  held_ = true;
}

Gate& compute_gate() {
  static Gate gate;
  return gate;
}
