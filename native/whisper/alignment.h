#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/**
 * Where the decoder looked: the cross-attention of its alignment heads, one row per token from
 * <|startoftranscript|> on. What row i looks at is the sound of token i + 1, which it predicts.
 */
struct Attention {
  int heads = 0;
  int rows = 0;
  /** The window's frames, of 20 ms: 1500 of them. */
  int frames = 0;
  /** weights[(head * rows + row) * frames + frame]: softmax over the frames. */
  std::vector<float> weights;
};

/**
 * Times of tokens by dynamic time warping over their attention: the monotonic path through tokens and frames
 * along which the tokens stand out most. Source: find_alignment of OpenAI's whisper/timing.py; unlike there
 * the path is one segment's, within its timestamps, and goes through its timestamp tokens too, which leave
 * the silence before the first word and after the last one out of them.
 */
class Alignment {
 public:
  /**
   * `prompt`: how many of the rows are the prompt's; the decoded tokens follow. `frames`: how many of the
   * window's frames hold audio; the rest is left out.
   */
  Alignment(Attention attention, size_t prompt, int64_t frames);

  /**
   * Borders of the decoded tokens [first, last) between the frames `begin` and `end`: where each begins, and
   * where the last one ends. In order, last - first + 1 of them. The path begins one token earlier: what
   * precedes `first` is not its own. Cost: O(tokens * frames).
   */
  std::vector<int64_t> borders(size_t first, size_t last, int64_t begin, int64_t end) const;

 private:
  size_t offset(int head, size_t row) const;
  std::vector<float> match(size_t row, int64_t begin, int64_t end) const;

  Attention attention_;
  size_t prompt_;
  /** At least 1. */
  int64_t frames_;
};
