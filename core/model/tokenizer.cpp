#include "core/model/tokenizer.h"

#include <cstdio>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/model/tokenizer_parts.h"

namespace polykv {

struct Tokenizer::State {
  tok::Parts parts;
  std::string no_token;  // token() of an id without one
};

namespace {

// Ids of all pieces. A piece seen before copies the ids it got then; the memory of pieces lives in
// this call, so it is bounded by the text and shared with no other thread.
std::vector<int> encode_pieces(const std::vector<tok::Piece>& pieces, const tok::Bpe& model) {
  constexpr std::size_t kLongestRemembered = 128;  // bytes; longer ones hardly repeat
  std::vector<int> ids;
  std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> seen;  // range in ids
  for (const tok::Piece& piece : pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    const std::size_t begin = ids.size();
    if (piece.text.size() > kLongestRemembered) {
      tok::encode_piece(piece.text, model, ids);
      continue;
    }
    const auto [entry, is_new] = seen.try_emplace(piece.text);
    if (is_new) {
      tok::encode_piece(piece.text, model, ids);
      entry->second = {begin, ids.size()};
    } else {
      const auto [first, last] = entry->second;
      for (std::size_t i = first; i < last; ++i) ids.push_back(ids[i]);
    }
  }
  return ids;
}

}  // namespace

void require_utf8(std::string_view text, const std::string& origin) {
  const std::size_t at = unicode::first_invalid(text);
  if (at == std::string_view::npos) return;
  char found[8];
  std::snprintf(found, sizeof found, "0x%02X", static_cast<unsigned char>(text[at]));
  fail_input(origin, "byte " + std::to_string(at),
             std::string("expected valid UTF-8, found ") + found);
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::read(const std::string& folder) {
  auto state = std::make_unique<State>();
  state->parts = tok::read_parts((std::filesystem::path(folder) / "tokenizer.json").string());
  return Tokenizer(std::move(state));
}

std::vector<int> Tokenizer::encode(std::string_view text, bool add_special) const {
  require_utf8(text, "text");
  const tok::Parts& parts = state_->parts;
  std::vector<int> ids = encode_pieces(tok::split_text(text, parts), parts.model);
  if (!add_special || parts.single.empty()) return ids;
  std::vector<int> framed;
  framed.reserve(ids.size() + parts.single.size());
  for (const int id : parts.single) {
    if (id == tok::Parts::kText) {
      framed.insert(framed.end(), ids.begin(), ids.end());
    } else {
      framed.push_back(id);
    }
  }
  return framed;
}

std::string Tokenizer::decode(std::span<const int> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int id : ids) {
    const std::string& text = token(id);
    // An id without a token adds nothing, not even the space of a tokenizer without a decoder.
    if (text.empty() || (skip_special && is_special(id))) continue;
    tokens.push_back(text);
  }
  return tok::decode_tokens(std::move(tokens), state_->parts);
}

const std::string& Tokenizer::token(int id) const {
  return id >= 0 && id < size() ? state_->parts.tokens[static_cast<std::size_t>(id)]
                                : state_->no_token;
}

std::string Tokenizer::display(int id) const {
  if (token(id).empty()) return "";
  const bool is_added = state_->parts.is_added[static_cast<std::size_t>(id)] != 0;
  return tok::display_token(token(id), is_added, state_->parts);
}

int Tokenizer::id_of(std::string_view token) const {
  const tok::Parts& parts = state_->parts;
  if (const auto found = parts.added_ids.find(token); found != parts.added_ids.end()) {
    return found->second;
  }
  const auto found = parts.model.vocab.find(token);
  return found == parts.model.vocab.end() ? -1 : found->second;
}

bool Tokenizer::is_special(int id) const {
  return id >= 0 && id < size() && state_->parts.is_special[static_cast<std::size_t>(id)] != 0;
}

int Tokenizer::size() const { return static_cast<int>(state_->parts.tokens.size()); }

}  // namespace polykv
