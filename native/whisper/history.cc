#include "whisper/history.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace {

constexpr float kHighTemperature = 0.5F;
/** Bytes of a prompt that are looked at: more than its last 223 tokens ever are, but for very long words. */
constexpr size_t kLongestPrompt = 2048;

/** The end of a text, where a character begins. */
std::string_view tail(std::string_view text, size_t longest) {
  if (text.size() <= longest) return text;
  text.remove_prefix(text.size() - longest);
  while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xc0) == 0x80) text.remove_prefix(1);
  return text;
}

void append_last(std::vector<int>& to, const std::vector<int>& from, size_t begin, size_t most) {
  const size_t count = std::min(from.size() - begin, most);
  to.insert(to.end(), from.end() - static_cast<std::ptrdiff_t>(count), from.end());
}

}  // namespace

// whisper.cpp's tokenizer recurses once per letter (std::regex): a long text would overflow the thread's
// stack.
History::History(const Weights& weights, const RunOptions& options)
    : options_(options),
      previous_(weights.vocabulary().previous),
      room_(static_cast<size_t>(weights.network().text_context) / 2 - 1),
      initial_(weights.tokenize(" " + std::string(tail(options.prompt, kLongestPrompt)))) {
  if (options.prompt.empty()) initial_.clear();
  if (!options.carry_prompt) tokens_ = initial_;
}

std::vector<int> History::prompt(const std::vector<int>& start) const {
  std::vector<int> prompt = {previous_};
  if (options_.carry_prompt) append_last(prompt, initial_, 0, room_);
  append_last(prompt, tokens_, reset_since_, room_ + 1 - prompt.size());
  if (prompt.size() == 1) prompt.clear();
  prompt.insert(prompt.end(), start.begin(), start.end());
  return prompt;
}

void History::add(const std::vector<int>& tokens, const Slice& slice) {
  tokens_.insert(tokens_.end(), tokens.begin() + static_cast<std::ptrdiff_t>(slice.first),
                 tokens.begin() + static_cast<std::ptrdiff_t>(slice.last));
}

void History::end_window(float temperature) {
  if (!options_.condition_on_previous_text || temperature > kHighTemperature) reset_since_ = tokens_.size();
}
