#pragma once

#include <vector>

/** A head of the decoder's cross-attention; both counted from 0. */
struct AlignmentHead {
  int layer;
  int head;
};

/** What tells one of OpenAI's models from another. */
struct ModelShape {
  int text_layers;
  int text_heads;
  int text_width;
  int mels;
  bool multilingual;
};

/**
 * The heads whose attention follows the speech. OpenAI's models have chosen ones (of large and large-v2,
 * which are shaped alike, those of v2); of any other model they are all heads of the upper half of its
 * layers, the last 64 at most. Source: _ALIGNMENT_HEADS of OpenAI's whisper/__init__.py, alignment_heads of
 * whisper/model.py.
 */
std::vector<AlignmentHead> alignment_heads(const ModelShape& shape);
