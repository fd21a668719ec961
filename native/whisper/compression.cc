#include "whisper/compression.h"

#include <zlib.h>

#include <vector>

float compression_ratio(std::string_view text) {
  if (text.empty()) return 0;
  uLongf size = compressBound(static_cast<uLong>(text.size()));
  std::vector<Bytef> out(size);
  const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
  if (compress(out.data(), &size, bytes, static_cast<uLong>(text.size())) != Z_OK) return 0;
  return static_cast<float>(text.size()) / static_cast<float>(size);
}
