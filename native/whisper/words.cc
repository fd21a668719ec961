#include "whisper/words.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "whisper/utf8.h"

namespace {

/** A word under construction: consecutive tokens. */
struct Piece {
  std::string text;
  int64_t start_ms;
  int64_t end_ms;
  /** Where it ends without the punctuation after it. */
  int64_t bare_end_ms;
  float probability_sum;
  int tokens;
};

/** whisper/timing.py: add_word_timestamps' prepend_punctuations and append_punctuations. */
constexpr std::array<std::string_view, 8> kBeforeWord = {"\"", "'", "“", "¿", "(", "[", "{", "-"};
constexpr std::array<std::string_view, 20> kAfterWord = {"\"", "'", ".",  "。", ",",  "，", "!",
                                                         "！", "?", "？", ":",  "：", "”",  ")",
                                                         "]",  "}", "、", ";",  "؟",  "،"};

/** whisper/timing.py: sentence_end_marks. */
constexpr std::array<std::string_view, 6> kSentenceEnds = {".", "。", "!", "！", "?", "？"};
/** whisper/timing.py: what the median of the words' lengths is at most taken for. */
constexpr int64_t kLongestMedianMs = 700;

template <size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& set) {
  return std::find(set.begin(), set.end(), text) != set.end();
}

bool is_spaceless(const std::string& language) {
  constexpr std::array<std::string_view, 6> languages = {"zh", "ja", "th", "lo", "my", "yue"};
  return is_one_of(language, languages);
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

int64_t length_of(const Piece& piece) {
  return piece.end_ms - piece.start_ms;
}

void append(Piece& to, const Piece& piece) {
  to.text += piece.text;
  to.end_ms = piece.end_ms;
  if (!is_one_of(trimmed(piece.text), kAfterWord)) to.bare_end_ms = piece.end_ms;
  to.probability_sum += piece.probability_sum;
  to.tokens += piece.tokens;
}

/** Groups tokens so that each piece ends at the end of a character. */
std::vector<Piece> whole_characters(const std::vector<Token>& tokens) {
  std::vector<Piece> pieces;
  bool open = false;
  for (const Token& token : tokens) {
    if (token.bytes.empty()) continue;
    Piece piece{token.bytes, token.start_ms, token.end_ms, token.end_ms, token.probability, 1};
    if (open) {
      append(pieces.back(), piece);
    } else {
      pieces.push_back(std::move(piece));
    }
    open = incomplete_tail(pieces.back().text) > 0;
  }
  return pieces;
}

/** Punctuation that belongs to the next word goes there, then what belongs to the word before. */
std::vector<Piece> with_punctuation(std::vector<Piece> pieces) {
  std::vector<Piece> words;
  for (Piece& piece : pieces) {
    const auto text = trimmed(piece.text);
    const bool opens = !words.empty() && words.back().text.size() > 1 && words.back().text.front() == ' ' &&
                       is_one_of(trimmed(words.back().text), kBeforeWord);
    const bool closes = !words.empty() && piece.text.front() != ' ' && is_one_of(text, kAfterWord);
    if (opens || closes) {
      append(words.back(), piece);
    } else {
      words.push_back(std::move(piece));
    }
  }
  return words;
}

std::vector<Piece> merge(const std::vector<Token>& tokens, const std::string& language) {
  std::vector<Piece> pieces;
  for (Piece& piece : whole_characters(tokens)) {
    const bool begins = pieces.empty() || piece.text.front() == ' ' || is_spaceless(language);
    if (begins) {
      pieces.push_back(std::move(piece));
    } else {
      append(pieces.back(), piece);
    }
  }
  std::vector<Piece> words = with_punctuation(std::move(pieces));
  const auto empty = [](const Piece& word) { return trimmed(word.text).empty(); };
  words.erase(std::remove_if(words.begin(), words.end(), empty), words.end());
  return words;
}

bool ends_sentence(const Piece& word) {
  const std::string_view text = word.text;
  return std::any_of(kSentenceEnds.begin(), kSentenceEnds.end(), [&](std::string_view mark) {
    return text.size() >= mark.size() && text.substr(text.size() - mark.size()) == mark;
  });
}

/** Of the words that have a length; 0 if there are none. */
int64_t median_length(const std::vector<std::vector<Piece>>& segments) {
  std::vector<int64_t> lengths;
  for (const auto& words : segments) {
    for (const Piece& word : words) {
      if (length_of(word) > 0) lengths.push_back(length_of(word));
    }
  }
  if (lengths.empty()) return 0;
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  return std::min(*middle, kLongestMedianMs);
}

void shorten_beside_sentence_ends(std::vector<Piece>& words, int64_t longest) {
  bool after_end = false;
  for (Piece& word : words) {
    if (ends_sentence(word)) {
      word.end_ms = std::min(word.end_ms, std::max(word.bare_end_ms, word.start_ms + longest));
    }
    if (after_end) word.start_ms = std::max(word.start_ms, word.end_ms - longest);
    after_end = ends_sentence(word);
  }
}

void shorten_after_pause(std::vector<Piece>& words, int64_t longest) {
  Piece& first = words.front();
  if (words.size() > 1 && length_of(words[1]) > longest && words[1].end_ms - first.start_ms > 2 * longest) {
    words[1].start_ms = words[1].end_ms - longest;
    first.end_ms = words[1].start_ms;
  }
  first.start_ms = std::max(first.start_ms, first.end_ms - longest);
}

}  // namespace

void add_words(std::vector<Segment>& segments, const std::string& language, int64_t spoken_until_ms) {
  std::vector<std::vector<Piece>> merged;
  for (const Segment& segment : segments) merged.push_back(merge(segment.tokens, language));
  const int64_t median = median_length(merged);
  for (size_t i = 0; i < segments.size(); ++i) {
    Segment& segment = segments[i];
    auto& words = merged[i];
    shorten_beside_sentence_ends(words, 2 * median);
    if (!words.empty() && words.front().end_ms - spoken_until_ms > 4 * median) {
      shorten_after_pause(words, 2 * median);
    }
    int64_t last_ms = segment.start_ms;
    for (const Piece& piece : words) {
      Word word;
      word.text = valid_utf8(trimmed(piece.text));
      word.start_ms = std::clamp(piece.start_ms, last_ms, segment.end_ms);
      word.end_ms = std::clamp(piece.end_ms, word.start_ms, segment.end_ms);
      word.probability = piece.probability_sum / static_cast<float>(piece.tokens);
      last_ms = word.end_ms;
      segment.words.push_back(std::move(word));
    }
    spoken_until_ms = segment.end_ms;
  }
}
