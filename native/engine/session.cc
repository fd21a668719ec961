#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "error.h"

Session::Decoding::Decoding(Session& session) : session_(session), place_(session.caller_.place) {
  session_.engine_.scheduler().begin_decoding(session_.engine_.group(), place_);
}

Session::Decoding::~Decoding() {
  session_.engine_.scheduler().end_decoding(session_.engine_.group(), place_);
}

Session::~Session() {
  if (slot_) engine_.scheduler().give_slot(engine_.group(), *slot_);
}

void Session::take_slot() {
  const auto begin = std::chrono::steady_clock::now();
  slot_ = engine_.scheduler().take_slot(engine_.group(), caller_);
  const auto waited = std::chrono::steady_clock::now() - begin;
  waited_ms_ += std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
}

void Session::encode(const std::vector<float>& mel) {
  caller_.place = visit_.place();
  if (!slot_) take_slot();
  lanes_.clear();
  int stage = 0;
  work([&] { return engine_.encode(stage++, *slot_, mel); });
}

void Session::served(int64_t ms) {
  Scheduler& scheduler = engine_.scheduler();
  visit_.serve(ms);
  caller_.place = visit_.place();
  if (!slot_ || !scheduler.is_wanted(engine_.group(), caller_.place)) return;
  scheduler.give_slot(engine_.group(), *std::exchange(slot_, std::nullopt));
}

void Session::work(std::function<bool()> stage) {
  engine_.scheduler().work(caller_, std::move(stage));
}

void Session::reset(int lanes) {
  lanes_.assign(static_cast<size_t>(lanes), {});
  used_.assign(static_cast<size_t>(Caches::cells_per_slot(weights().network())), false);
  next_cell_ = 0;
}

int32_t Session::take_cell() {
  while (used_[static_cast<size_t>(next_cell_)]) ++next_cell_;
  used_[static_cast<size_t>(next_cell_)] = true;
  return next_cell_;
}

Request Session::request_of(const std::vector<Input>& inputs) {
  Request request{*slot_, {}, {}, false, {}, 0};
  for (const Input& input : inputs) {
    auto& cells = lanes_[static_cast<size_t>(input.lane)];
    cells.push_back(take_cell());
    request.rows.push_back({input.token, input.position, cells.back(), cells, input.logits});
  }
  return request;
}

void Session::decode(const std::vector<Input>& inputs) {
  Request request = request_of(inputs);
  // their memory: there is a row of the vocabulary for each lane at every step
  request.logits = std::move(logits_);
  request.logits.clear();
  engine_.scheduler().decode(engine_.group(), caller_, request);
  logits_ = std::move(request.logits);
  offsets_.clear();
  size_t offset = 0;
  for (const Input& input : inputs) {
    offsets_.push_back(offset);
    if (input.logits) offset += static_cast<size_t>(weights().vocabulary().size);
  }
}

const float* Session::logits(size_t row) const {
  return logits_.data() + offsets_[row];
}

void Session::rearrange(const std::vector<int>& sources) {
  std::vector<std::vector<int32_t>> lanes;
  for (const int source : sources) lanes.push_back(lanes_[static_cast<size_t>(source)]);
  lanes_ = std::move(lanes);
  used_.assign(used_.size(), false);
  for (const auto& cells : lanes_) {
    for (const int32_t cell : cells) used_[static_cast<size_t>(cell)] = true;
  }
  next_cell_ = 0;
}

Attention Session::attend(const std::vector<int>& tokens) {
  reset(1);
  std::vector<Input> inputs;
  for (const int token : tokens) inputs.push_back({token, static_cast<int>(inputs.size()), 0, false});
  Request request = request_of(inputs);
  request.wants_attention = true;
  engine_.scheduler().decode(engine_.group(), caller_, request);
  return std::move(request.attention);
}
