#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/spectrogram.h"

/**
 * A run's access to the engine: one window at a time, in a slot of its own; a run may have several. A lane is
 * a sequence of tokens with attention of its own: a beam, or a candidate. One thread, which waits while
 * others are served; every call but the first two throws Error cancelled, out_of_memory, internal.
 */
class Session {
 public:
  struct Input {
    int token;
    int position;
    int lane;
    /** Whether logits() of this row will be asked for. */
    bool logits;
  };

  /** While it lives, the steps of other runs wait for this one's: what is between two decode() is to be
   * short. */
  class Decoding {
   public:
    explicit Decoding(Session& session);
    ~Decoding();
    Decoding(const Decoding&) = delete;
    Decoding& operator=(const Decoding&) = delete;

   private:
    Session& session_;
    const Place place_;
  };

  Session(Visit& visit, const std::atomic<bool>& cancelled)
      : visit_(visit), engine_(visit.engine()), caller_{visit.place(), cancelled} {}
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Weights& weights() const { return engine_.weights(); }
  int64_t waited_ms() const { return waited_ms_; }

  /** Takes a slot if there is none yet, and encodes the window. The lanes are forgotten. */
  void encode(const std::vector<float>& mel);
  /** After a window: counts it as served, and lets a run go first that comes before this one and waits for a
   * slot. */
  void served(int64_t ms);
  /** Calls `stage` on the compute thread, in turn with other work, until it returns true. */
  void work(std::function<bool()> stage);

  /** Forgets all lanes and makes `lanes` empty ones. */
  void reset(int lanes);
  /** Decodes the inputs in one batch. */
  void decode(const std::vector<Input>& inputs);
  /** The logits of input `row` of the last decode(): one float for each token, good until the next one. */
  const float* logits(size_t row) const;
  /** Lane i becomes a copy of lane sources[i], for all i at once. */
  void rearrange(const std::vector<int>& sources);
  /** Decodes `tokens` from the beginning: where the alignment heads look, a row for each. The lanes are
   * forgotten. */
  Attention attend(const std::vector<int>& tokens);

 private:
  void take_slot();
  int32_t take_cell();
  Request request_of(const std::vector<Input>& inputs);

  Visit& visit_;
  Engine& engine_;
  Caller caller_;
  std::optional<int> slot_;
  int64_t waited_ms_ = 0;
  /** The cells of each lane's tokens, and which cells are some lane's. */
  std::vector<std::vector<int32_t>> lanes_;
  std::vector<bool> used_;
  int32_t next_cell_ = 0;
  std::vector<float> logits_;
  /** Where each row's logits begin. */
  std::vector<size_t> offsets_;
};
