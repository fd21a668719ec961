#pragma once

#include <array>
#include <cstddef>

/**
 * Voice activity by loudness, where there are no weights of Silero: how far a frame is above the noise
 * floor. The level is the frame's standard deviation in dB of full scale, smoothed; what is under -60 dB is
 * silence. The floor is the lowest level of the last 4 s, which speech does not fill without a pause between
 * two words (minimum statistics; Martin, 1994); until there are 4 s it is at most -55 dB. 10 dB above it
 * speech is as probable as not. It takes any sound that comes and goes for speech, and steady noise that
 * begins, for 4 s. One thread at a time.
 */
class Energy {
 public:
  Energy();
  /** Takes the next frame of 32 ms; 0..1. */
  float judge(const float* samples, size_t count);

 private:
  static constexpr size_t kMemory = 125;  // frames: 4 s

  std::array<float, kMemory> levels_;  // a ring
  size_t next_ = 0;
  float level_;
};
