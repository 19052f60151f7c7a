// Tokens -> text, and what one token reads as on a screen.
#include <charconv>
#include <cstdio>

#include "core/model/tokenizer_parts.h"

namespace polykv::tok {
namespace {

// "<0xE2>" -> 0xE2, anything else -> -1.
int fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int byte = 0;
  const char* end = token.data() + 5;
  const auto [stop, error] = std::from_chars(token.data() + 3, end, byte, 16);
  return error == std::errc() && stop == end && byte >= 0 ? byte : -1;
}

// A token with a character that stands for no byte is text already.
std::string byte_level_bytes(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const unicode::Step next = unicode::step(token, at);
    const int byte = byte_of_character(next.code);
    if (byte < 0) return std::string(token);
    bytes += static_cast<char>(byte);
    at += next.bytes;
  }
  return bytes;
}

std::string joined(const std::vector<std::string>& tokens, std::string_view between = "") {
  std::string out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) out += between;
    out += tokens[i];
  }
  return out;
}

using Tokens = std::vector<std::string>;

std::size_t bytes_of(const Tokens& tokens) {
  std::size_t bytes = 0;
  for (const std::string& token : tokens) bytes += token.size();
  return bytes;
}

void apply(const Replace& step, Tokens& tokens) {
  for (std::string& token : tokens) token = step.pattern.replace(token, step.content);
}

void apply(const BytesFromCharacters&, Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += byte_level_bytes(token);
  tokens = {unicode::lossy(bytes)};
}

void apply(const ByteFallback&, Tokens& tokens) {
  Tokens out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (unicode::first_invalid(bytes) == std::string::npos) {
      out.push_back(bytes);
    } else {  // one U+FFFD per byte, unlike byte-level decoding
      for (std::size_t i = 0; i < bytes.size(); ++i) out.push_back("\xEF\xBF\xBD");
    }
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const int byte = fallback_byte(token); byte >= 0) {
      bytes += static_cast<char>(byte);
    } else {
      flush();
      out.push_back(std::move(token));
    }
  }
  flush();
  tokens = std::move(out);
}

void apply(const Fuse&, Tokens& tokens) { tokens = {joined(tokens)}; }

void apply(const Strip& step, Tokens& tokens) {
  std::string content;
  unicode::append(content, step.content);
  for (std::string& token : tokens) {
    std::string_view rest = token;
    for (int i = 0; i < step.start && rest.starts_with(content); ++i) {
      rest.remove_prefix(content.size());
    }
    for (int i = 0; i < step.stop && rest.ends_with(content); ++i) {
      rest.remove_suffix(content.size());
    }
    token = std::string(rest);
  }
}

void apply(const SpaceFromMeta& step, Tokens& tokens) {
  const Pattern meta = Pattern::literal(step.replacement);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = meta.replace(tokens[i], i == 0 && step.drop_in_first ? "" : " ");
  }
}

// The bytes one token adds to a text, whatever stands before and after it.
std::string bytes_alone(const std::string& token, const std::vector<DecodeStep>& steps) {
  std::string bytes = token;
  const std::size_t most = most_bytes(token.size());
  for (const DecodeStep& step : steps) {
    if (bytes.size() > most) fail_growth();
    if (const auto* replace = std::get_if<Replace>(&step)) {
      bytes = replace->pattern.replace(bytes, replace->content);
    } else if (const auto* meta = std::get_if<SpaceFromMeta>(&step)) {
      bytes = Pattern::literal(meta->replacement).replace(bytes, " ");
    } else if (std::holds_alternative<BytesFromCharacters>(step)) {
      return byte_level_bytes(bytes);
    } else if (std::holds_alternative<ByteFallback>(step)) {
      const int byte = fallback_byte(bytes);
      if (byte >= 0) return std::string(1, static_cast<char>(byte));
    }
  }
  return bytes;
}

std::string escaped(char32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  if (code == '\r') return "\\r";
  char text[16];
  std::snprintf(text, sizeof text, code < 0x80 ? "\\x%02X" : "\\u%04X",
                static_cast<unsigned>(code));
  return text;
}

}  // namespace

std::string decode_tokens(Tokens tokens, const Parts& parts) {
  if (!parts.decoder) return joined(tokens, " ");
  const std::size_t most = most_bytes(bytes_of(tokens));
  for (const DecodeStep& step : *parts.decoder) {
    std::visit([&](const auto& one) { apply(one, tokens); }, step);
    if (bytes_of(tokens) > most) fail_growth();
  }
  return joined(tokens);
}

std::string display_token(const std::string& token, bool is_added, const Parts& parts) {
  const bool as_is = is_added || !parts.decoder;
  const std::string bytes = as_is ? token : bytes_alone(token, *parts.decoder);
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    const unicode::Step next = unicode::step(bytes, at);
    if (!next.valid) {
      for (std::size_t i = at; i < at + next.bytes; ++i) {
        char text[8];
        std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned char>(bytes[i]));
        out += text;
      }
    } else if (unicode::is_unprintable(next.code)) {
      out += escaped(next.code);
    } else {
      out.append(bytes, at, next.bytes);
    }
    at += next.bytes;
  }
  return out;
}

}  // namespace polykv::tok
