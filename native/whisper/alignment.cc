#include "whisper/alignment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace {

/** Width of the median filter over time, in frames: timing.py's medfilt_width. */
constexpr int64_t kFilter = 7;
/** Attention that differs by less is rounding, not sight: an even look at a window is 1/1500. */
constexpr float kUnseen = 1e-5F;

/** A network that sorts seven values: pairs of places to put in order. The fourth is then their median. */
struct Exchange {
  uint8_t a;
  uint8_t b;
};
constexpr Exchange kSorting[] = {{0, 6}, {2, 3}, {4, 5}, {0, 2}, {1, 4}, {3, 6}, {0, 1}, {2, 5},
                                 {3, 4}, {1, 2}, {4, 6}, {2, 3}, {4, 5}, {1, 2}, {3, 4}, {5, 6}};

/** An index that is over an end by less than the length, reflected there. */
int64_t reflected(int64_t index, int64_t length) {
  if (index < 0) index = -index;
  if (index >= length) index = 2 * (length - 1) - index;
  return std::clamp<int64_t>(index, 0, length - 1);
}

enum class Step : uint8_t { both, row, frame };

}  // namespace

// Rows are normalised over the frames that hold audio (as a softmax over those would), then frames over the
// rows: a token stands out where it looks more than others do.
Alignment::Alignment(Attention attention, size_t prompt, int64_t frames)
    : attention_(std::move(attention)),
      prompt_(prompt),
      frames_(std::clamp<int64_t>(frames, 1, attention_.frames)) {
  const auto rows = static_cast<size_t>(attention_.rows);
  const auto count = static_cast<size_t>(frames_);
  std::vector<float> mean(count);
  std::vector<float> deviation(count);
  for (int head = 0; head < attention_.heads; ++head) {
    std::fill(mean.begin(), mean.end(), 0.0F);
    std::fill(deviation.begin(), deviation.end(), 0.0F);
    for (size_t r = 0; r < rows; ++r) {
      float* weights = attention_.weights.data() + offset(head, r);
      float sum = 0;
      for (size_t i = 0; i < count; ++i) sum += weights[i];
      const float scale = 1 / std::max(sum, std::numeric_limits<float>::min());
      for (size_t i = 0; i < count; ++i) mean[i] += weights[i] *= scale;
    }
    for (float& each : mean) each /= static_cast<float>(rows);
    for (size_t r = 0; r < rows; ++r) {
      float* weights = attention_.weights.data() + offset(head, r);
      for (size_t i = 0; i < count; ++i) {
        weights[i] -= mean[i];
        deviation[i] += weights[i] * weights[i];
      }
    }
    for (float& each : deviation) {
      each = std::max(std::sqrt(each / static_cast<float>(rows)), kUnseen);
    }
    for (size_t r = 0; r < rows; ++r) {
      float* weights = attention_.weights.data() + offset(head, r);
      for (size_t i = 0; i < count; ++i) weights[i] /= deviation[i];
    }
  }
}

size_t Alignment::offset(int head, size_t row) const {
  const size_t index = static_cast<size_t>(head) * static_cast<size_t>(attention_.rows) + row;
  return index * static_cast<size_t>(attention_.frames);
}

/** How well a row matches the frames [begin, end): the median over time, summed over the heads. */
std::vector<float> Alignment::match(size_t row, int64_t begin, int64_t end) const {
  const auto count = static_cast<size_t>(end - begin);
  std::vector<float> sum(count);
  // the row, moved by each of the filter's places: one network sorts all frames at once
  std::array<std::vector<float>, kFilter> moved;
  for (auto& each : moved) each.resize(count);
  for (int head = 0; head < attention_.heads; ++head) {
    const float* weights = attention_.weights.data() + offset(head, row);
    for (size_t place = 0; place < moved.size(); ++place) {
      const int64_t from = begin + static_cast<int64_t>(place) - kFilter / 2;
      for (size_t i = 0; i < count; ++i) {
        moved[place][i] = weights[reflected(from + static_cast<int64_t>(i), frames_)];
      }
    }
    for (const auto& [a, b] : kSorting) {
      float* low = moved[a].data();
      float* high = moved[b].data();
      for (size_t i = 0; i < count; ++i) {
        const float less = std::min(low[i], high[i]);
        high[i] = std::max(low[i], high[i]);
        low[i] = less;
      }
    }
    for (size_t i = 0; i < count; ++i) sum[i] += moved[kFilter / 2][i];
  }
  return sum;
}

std::vector<int64_t> Alignment::borders(size_t first, size_t last, int64_t begin, int64_t end) const {
  begin = std::clamp<int64_t>(begin, 0, frames_ - 1);
  end = std::clamp<int64_t>(end, begin + 1, frames_);
  // the row before a token's own predicts it
  const size_t row = prompt_ + first - 1;
  const size_t before = row > 0 ? 1 : 0;
  const size_t rows = last - first + before;
  const auto width = static_cast<size_t>(end - begin) + 1;

  // cost[j]: of the best path that ends at this row and frame j - 1
  std::vector<double> cost(width, std::numeric_limits<double>::infinity());
  cost[0] = 0;
  std::vector<Step> steps(rows * width, Step::row);
  for (size_t i = 0; i < rows; ++i) {
    const std::vector<float> matches = match(row - before + i, begin, end);
    double diagonal = std::exchange(cost[0], std::numeric_limits<double>::infinity());
    for (size_t j = 1; j < width; ++j) {
      const double above = cost[j];
      const double left = cost[j - 1];
      Step step = Step::frame;
      double least = left;
      if (diagonal < above && diagonal < left) {
        step = Step::both;
        least = diagonal;
      } else if (above < diagonal && above < left) {
        step = Step::row;
        least = above;
      }
      cost[j] = least - matches[j - 1];
      steps[i * width + j] = step;
      diagonal = above;
    }
  }

  std::vector<int64_t> borders(rows + 1, end);
  size_t j = width - 1;
  for (size_t i = rows; i-- > 0;) {
    while (steps[i * width + j] == Step::frame) --j;
    borders[i] = begin + static_cast<int64_t>(std::max<size_t>(j, 1)) - 1;
    if (steps[i * width + j] == Step::both) --j;
  }
  borders.erase(borders.begin(), borders.begin() + static_cast<std::ptrdiff_t>(before));
  return borders;
}
