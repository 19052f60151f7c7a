#pragma once
// UTF-8 and the few properties of characters that text <-> tokens needs.
#include <cstddef>
#include <string>
#include <string_view>

namespace polykv::unicode {

// What starts at a byte: a whole character, or the longest run of bytes that could have begun one
// (each such run reads as one U+FFFD).
struct Step {
  std::size_t bytes = 0;
  char32_t code = 0;
  bool valid = false;
};
Step step(std::string_view bytes, std::size_t at);

// Offset of the first byte that is not UTF-8, or npos.
std::size_t first_invalid(std::string_view bytes);

// The bytes as UTF-8, with U+FFFD for what is none.
std::string lossy(std::string_view bytes);

void append(std::string& out, char32_t code);

bool is_space(char32_t code);  // property White_Space
bool is_word(char32_t code);   // letters, marks, decimal digits, connectors, joiners
// Controls, format characters, line and paragraph separators: nothing a screen could show.
bool is_unprintable(char32_t code);

enum class Form { nfc, nfd, nfkc, nfkd };
std::string normalized(std::string_view text, Form form);  // text is valid UTF-8

}  // namespace polykv::unicode
