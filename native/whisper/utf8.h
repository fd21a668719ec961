#pragma once

#include <string>
#include <string_view>

/** Bytes at the end of `text` that begin a character without finishing it: 0..3. */
size_t incomplete_tail(std::string_view text);

/** The same text with every ill-formed byte sequence replaced by U+FFFD: what JavaScript may be given. */
std::string valid_utf8(std::string_view text);
