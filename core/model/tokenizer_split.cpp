// Text -> pieces: added tokens, normalizer, pre-tokenizer.
#include <algorithm>

#include "core/model/tokenizer_parts.h"

namespace polykv::tok {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

struct Span {
  std::size_t begin = 0, end = 0;
  bool is_delimiter = false;
};

bool begins_with_word(std::string_view text) {
  return !text.empty() && unicode::is_word(unicode::step(text, 0).code);
}

std::size_t last_character(std::string_view text) {  // text is not empty
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && unicode::is_word(unicode::step(text, last_character(text)).code);
}

std::size_t spaces_at_start(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const unicode::Step next = unicode::step(text, at);
    if (!unicode::is_space(next.code)) break;
    at += next.bytes;
  }
  return at;
}

std::size_t start_of_spaces_at_end(std::string_view text) {
  while (!text.empty()) {
    const std::size_t last = last_character(text);
    if (!unicode::is_space(unicode::step(text, last).code)) break;
    text = text.substr(0, last);
  }
  return text.size();
}

const AddedIndex::Entry* longest_at(std::string_view text, std::size_t at,
                                    const AddedIndex& index) {
  for (const auto& entry : index.by_first_byte[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at).starts_with(entry.text)) return &entry;
  }
  return nullptr;
}

void push_part(const Piece& whole, std::size_t begin, std::size_t end, std::vector<Piece>& out) {
  if (begin < end) {
    out.push_back({whole.text.substr(begin, end - begin), -1, whole.at_start && begin == 0});
  }
}

void split_added(const Piece& piece, const AddedIndex& index, const std::vector<AddedToken>& added,
                 std::vector<Piece>& out) {
  const std::string_view text = piece.text;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const AddedIndex::Entry* entry = longest_at(text, at, index);
    if (entry == nullptr) {
      ++at;
      continue;
    }
    const AddedToken& token = added[static_cast<std::size_t>(entry->token)];
    std::size_t begin = at, end = at + entry->text.size();
    at = end;  // a match that is discarded below hides those inside it all the same
    if (token.single_word &&
        (ends_with_word(text.substr(0, begin)) || begins_with_word(text.substr(end)))) {
      continue;
    }
    if (token.lstrip) begin = std::max(start_of_spaces_at_end(text.substr(0, begin)), done);
    if (token.rstrip) end += spaces_at_start(text.substr(end));
    push_part(piece, done, begin, out);
    out.push_back({"", token.id, false});
    done = end;
  }
  push_part(piece, done, text.size(), out);
}

// Applies `split` to every piece that is still text.
template <typename SplitOne>
std::vector<Piece> split_each(std::vector<Piece> pieces, const SplitOne& split) {
  std::vector<Piece> out;
  out.reserve(pieces.size());
  for (Piece& piece : pieces) {
    if (piece.id >= 0) {
      out.push_back(std::move(piece));
    } else {
      split(piece, out);
    }
  }
  return out;
}

// The text cut into matches and what lies between them.
std::vector<Span> spans_of(std::string_view text, const Split& split) {
  std::vector<Span> spans;
  std::size_t from = 0;
  for (const Match& match : split.pattern.find(text)) {
    if (from != match.begin) spans.push_back({from, match.begin, split.invert});
    spans.push_back({match.begin, match.end, !split.invert});
    from = match.end;
  }
  if (from != text.size()) spans.push_back({from, text.size(), split.invert});
  return spans;
}

void split_pattern(const Piece& piece, const Split& split, std::vector<Piece>& out) {
  std::vector<Span> spans = spans_of(piece.text, split);
  const bool backwards = split.delimiter == Delimiter::merged_with_next;
  if (backwards) std::reverse(spans.begin(), spans.end());
  std::vector<Span> joined;
  joined.reserve(spans.size());
  bool previous = false;  // was the span before this one a delimiter?
  for (const Span& span : spans) {
    bool join = false;
    if (split.delimiter == Delimiter::contiguous) join = span.is_delimiter == previous;
    if (backwards || split.delimiter == Delimiter::merged_with_previous) {
      join = span.is_delimiter && !previous;
    }
    if (join && !joined.empty()) {
      joined.back().begin = std::min(joined.back().begin, span.begin);
      joined.back().end = std::max(joined.back().end, span.end);
    } else if (split.delimiter != Delimiter::removed || !span.is_delimiter) {
      joined.push_back(span);
    }
    previous = span.is_delimiter;
  }
  if (backwards) std::reverse(joined.begin(), joined.end());
  for (const Span& span : joined) push_part(piece, span.begin, span.end, out);
}

void split_bytes(Piece& piece, const ByteLevel& step, std::vector<Piece>& out) {
  if (step.add_prefix_space && !piece.text.starts_with(' ')) piece.text.insert(0, 1, ' ');
  const std::size_t first = out.size();
  if (step.words) {
    split_pattern(piece, *step.words, out);
  } else {
    out.push_back(std::move(piece));
  }
  for (std::size_t i = first; i < out.size(); ++i) {
    std::string shown;
    shown.reserve(out[i].text.size() * 2);
    for (const char byte : out[i].text) {
      unicode::append(shown, character_of_byte(static_cast<unsigned char>(byte)));
    }
    out[i].text = std::move(shown);
  }
}

void split_metaspace(Piece& piece, const Metaspace& step, std::vector<Piece>& out) {
  piece.text = Pattern::literal(" ").replace(piece.text, step.replacement);
  const bool wanted = step.prepend == PrependScheme::always ||
                      (step.prepend == PrependScheme::first && piece.at_start);
  if (wanted && !piece.text.starts_with(step.replacement)) {
    piece.text.insert(0, step.replacement);
  }
  if (step.words) {
    split_pattern(piece, *step.words, out);
  } else {
    out.push_back(std::move(piece));
  }
}

}  // namespace

char32_t character_of_byte(unsigned char byte) {
  // Printable Latin-1 stands for itself; the 68 others follow from U+0100 in their order.
  if (byte >= 0x21 && byte <= 0x7E) return byte;
  if ((byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE) return byte;
  if (byte <= 0x20) return 0x100u + byte;
  if (byte <= 0xA0) return 0x100u + 0x21 + (byte - 0x7Fu);
  return 0x143;  // 0xAD
}

int byte_of_character(char32_t character) {
  if (character < 0x100) {
    const auto byte = static_cast<unsigned char>(character);
    return character_of_byte(byte) == character ? byte : -1;
  }
  if (character <= 0x120) return static_cast<int>(character - 0x100);
  if (character <= 0x142) return static_cast<int>(character - 0x121 + 0x7F);
  return character == 0x143 ? 0xAD : -1;
}

void index_added_tokens(Parts& parts) {
  for (std::size_t i = 0; i < parts.added.size(); ++i) {
    const AddedToken& token = parts.added[i];
    std::string text =
        token.normalized ? normalize(token.content, parts.normalizer) : token.content;
    if (text.empty()) continue;
    AddedIndex& index = token.normalized ? parts.normalized_index : parts.plain_index;
    auto& entries = index.by_first_byte[static_cast<unsigned char>(text[0])];
    entries.push_back({std::move(text), static_cast<int>(i)});
  }
  for (AddedIndex* index : {&parts.plain_index, &parts.normalized_index}) {
    for (auto& entries : index->by_first_byte) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return a.text.size() > b.text.size(); });
    }
  }
}

std::string normalize(std::string text, const std::vector<NormalizeStep>& steps) {
  const std::size_t most = most_bytes(text.size());
  for (const NormalizeStep& step : steps) {
    text = std::visit(
        Overloaded{
            [&](unicode::Form form) { return unicode::normalized(text, form); },
            [&](const Prepend& prepend) { return text.empty() ? text : prepend.text + text; },
            [&](const Replace& replace) { return replace.pattern.replace(text, replace.content); }},
        step);
    if (text.size() > most) fail_growth();
  }
  return text;
}

std::vector<Piece> split_text(std::string_view text, const Parts& parts) {
  const std::size_t most = most_bytes(text.size());
  std::vector<Piece> pieces;
  split_added({std::string(text), -1, true}, parts.plain_index, parts.added, pieces);
  pieces = split_each(std::move(pieces), [&](Piece& piece, std::vector<Piece>& out) {
    piece.text = normalize(std::move(piece.text), parts.normalizer);
    split_added(piece, parts.normalized_index, parts.added, out);
  });
  for (const PreStep& step : parts.pre_tokenizer) {
    pieces = split_each(std::move(pieces), [&](Piece& piece, std::vector<Piece>& out) {
      std::visit(Overloaded{[&](const Split& split) { split_pattern(piece, split, out); },
                            [&](const ByteLevel& bytes) { split_bytes(piece, bytes, out); },
                            [&](const Metaspace& meta) { split_metaspace(piece, meta, out); }},
                 step);
    });
    std::size_t bytes = 0;
    for (const Piece& piece : pieces) bytes += piece.text.size();
    if (bytes > most) fail_growth();
  }
  return pieces;
}

}  // namespace polykv::tok
