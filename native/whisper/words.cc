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
  float probability_sum;
  int tokens;
};

/** whisper/timing.py: add_word_timestamps' prepend_punctuations and append_punctuations. */
constexpr std::array<std::string_view, 8> kBeforeWord = {"\"", "'", "“", "¿", "(", "[", "{", "-"};
constexpr std::array<std::string_view, 20> kAfterWord = {"\"", "'", ".",  "。", ",",  "，", "!",
                                                         "！", "?", "？", ":",  "：", "”",  ")",
                                                         "]",  "}", "、", ";",  "؟",  "،"};

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

void append(Piece& to, const Piece& piece) {
  to.text += piece.text;
  to.end_ms = piece.end_ms;
  to.probability_sum += piece.probability_sum;
  to.tokens += piece.tokens;
}

/** Groups tokens so that each piece ends at the end of a character. */
std::vector<Piece> whole_characters(const std::vector<Token>& tokens) {
  std::vector<Piece> pieces;
  bool open = false;
  for (const Token& token : tokens) {
    if (token.bytes.empty()) continue;
    Piece piece{token.bytes, token.start_ms, token.end_ms, token.probability, 1};
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

}  // namespace

std::vector<Word> merge_words(const std::vector<Token>& tokens, const std::string& language, int64_t start_ms,
                              int64_t end_ms) {
  std::vector<Piece> pieces;
  for (Piece& piece : whole_characters(tokens)) {
    const bool begins = pieces.empty() || piece.text.front() == ' ' || is_spaceless(language);
    if (begins) {
      pieces.push_back(std::move(piece));
    } else {
      append(pieces.back(), piece);
    }
  }

  std::vector<Word> words;
  int64_t last_ms = start_ms;
  for (const Piece& piece : with_punctuation(std::move(pieces))) {
    const auto text = trimmed(piece.text);
    if (text.empty()) continue;
    Word word;
    word.text = valid_utf8(text);
    word.start_ms = std::clamp(piece.start_ms, last_ms, std::max(last_ms, end_ms));
    word.end_ms = std::clamp(piece.end_ms, word.start_ms, std::max(word.start_ms, end_ms));
    word.probability = piece.probability_sum / static_cast<float>(piece.tokens);
    last_ms = word.end_ms;
    words.push_back(std::move(word));
  }
  return words;
}
