#include "whisper/alignment_heads.h"

#include <cstddef>

namespace {

struct Preset {
  int text_layers;
  int text_width;
  int mels;
  bool multilingual;
  std::vector<AlignmentHead> heads;
};

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = {
      // tiny.en, tiny
      {4, 384, 80, false, {{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}}},
      {4, 384, 80, true, {{2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5}}},
      // base.en, base
      {6, 512, 80, false, {{3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7}}},
      {6, 512, 80, true, {{3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4}, {5, 6}}},
      // small.en, small
      {12,
       768,
       80,
       false,
       {{6, 6},
        {7, 0},
        {7, 3},
        {7, 8},
        {8, 2},
        {8, 5},
        {8, 7},
        {9, 0},
        {9, 4},
        {9, 8},
        {9, 10},
        {10, 0},
        {10, 1},
        {10, 2},
        {10, 3},
        {10, 6},
        {10, 11},
        {11, 2},
        {11, 4}}},
      {12, 768, 80, true, {{5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8}, {9, 0}, {9, 7}, {9, 9}, {10, 5}}},
      // medium.en, medium
      {24,
       1024,
       80,
       false,
       {{11, 4},
        {14, 1},
        {14, 12},
        {14, 14},
        {15, 4},
        {16, 0},
        {16, 4},
        {16, 9},
        {17, 12},
        {17, 14},
        {18, 7},
        {18, 10},
        {18, 15},
        {20, 0},
        {20, 3},
        {20, 9},
        {20, 14},
        {21, 12}}},
      {24, 1024, 80, true, {{13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0}, {23, 4}}},
      // large-v2, large-v3, large-v3-turbo
      {32, 1280, 80, true, {{10, 12}, {13, 17}, {16, 11}, {16, 12}, {16, 13}, {17, 15}, {17, 16}, {18, 4},
                            {18, 11}, {18, 19}, {19, 11}, {21, 2},  {21, 3},  {22, 3},  {22, 9},  {22, 12},
                            {23, 5},  {23, 7},  {23, 13}, {25, 5},  {26, 1},  {26, 12}, {27, 15}}},
      {32,
       1280,
       128,
       true,
       {{7, 0}, {10, 17}, {12, 18}, {13, 12}, {16, 1}, {17, 14}, {19, 11}, {21, 4}, {24, 1}, {25, 6}}},
      {4, 1280, 128, true, {{2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14}}},
  };
  return all;
}

constexpr std::ptrdiff_t kMostHeads = 64;

}  // namespace

std::vector<AlignmentHead> alignment_heads(const ModelShape& shape) {
  for (const Preset& each : presets()) {
    // all of OpenAI's models have heads of 64
    if (each.text_layers == shape.text_layers && each.text_width == shape.text_width &&
        each.text_width == shape.text_heads * 64 && each.mels == shape.mels &&
        each.multilingual == shape.multilingual) {
      return each.heads;
    }
  }
  std::vector<AlignmentHead> heads;
  for (int layer = shape.text_layers / 2; layer < shape.text_layers; ++layer) {
    for (int head = 0; head < shape.text_heads; ++head) heads.push_back({layer, head});
  }
  // their attention is kept for a whole window: of a large unknown model, that of its last layers
  if (heads.size() > static_cast<size_t>(kMostHeads)) heads.erase(heads.begin(), heads.end() - kMostHeads);
  return heads;
}
