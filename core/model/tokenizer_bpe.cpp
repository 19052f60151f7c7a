// Byte pair encoding of one piece: characters, then merges in order of rank.
#include <algorithm>
#include <functional>
#include <queue>

#include "core/model/tokenizer_parts.h"

namespace polykv::tok {
namespace {

// A token in the making, linked to its neighbours; `id` is -1 once merged into the left one.
struct Symbol {
  int id = 0;
  int previous = -1, next = -1;  // indices, -1 at the ends
};

bool byte_ids_of(std::string_view character, const Bpe& model) {
  return std::all_of(character.begin(), character.end(), [&](char byte) {
    return model.byte_ids[static_cast<unsigned char>(byte)] >= 0;
  });
}

std::vector<Symbol> symbols_of(std::string_view piece, const Bpe& model) {
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  const auto add = [&](int id) {
    const int at = static_cast<int>(symbols.size());
    symbols.push_back({id, at - 1, at + 1});
  };
  // An unknown character waits until the next known one, so byte tokens after it come first. That
  // is what the reference library does.
  bool waiting = false;
  for (std::size_t at = 0; at < piece.size();) {
    const std::string_view character = piece.substr(at, unicode::step(piece, at).bytes);
    at += character.size();
    if (const auto known = model.vocab.find(character); known != model.vocab.end()) {
      if (waiting) add(model.unknown);
      waiting = false;
      add(known->second);
    } else if (model.byte_fallback && byte_ids_of(character, model)) {
      for (const char byte : character) add(model.byte_ids[static_cast<unsigned char>(byte)]);
    } else if (model.unknown >= 0) {
      if (waiting && !model.fuse_unknown) add(model.unknown);
      waiting = true;
    }  // else: the character is dropped
  }
  if (waiting) add(model.unknown);
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

// The rank of the pair that begins at `left`, or -1.
std::int64_t rank_at(const std::vector<Symbol>& symbols, int left, const Bpe& model) {
  if (left < 0 || symbols[static_cast<std::size_t>(left)].next < 0) return -1;
  const Symbol& symbol = symbols[static_cast<std::size_t>(left)];
  const int right = symbols[static_cast<std::size_t>(symbol.next)].id;
  const auto key =
      (static_cast<std::uint64_t>(symbol.id) << 32) | static_cast<std::uint32_t>(right);
  const auto found = model.rank_of.find(key);
  return found == model.rank_of.end() ? std::int64_t{-1} : std::int64_t{found->second};
}

void merge_all(std::vector<Symbol>& symbols, const Bpe& model) {
  // Lowest rank first, then leftmost: rank << 32 | index of the left symbol.
  std::vector<std::uint64_t> start;
  for (int i = 0; i + 1 < static_cast<int>(symbols.size()); ++i) {
    const auto rank = rank_at(symbols, i, model);
    if (rank >= 0)
      start.push_back((static_cast<std::uint64_t>(rank) << 32) | static_cast<unsigned>(i));
  }
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> queue(
      std::greater<>{}, std::move(start));
  const auto offer = [&](int left) {
    const auto rank = rank_at(symbols, left, model);
    if (rank >= 0)
      queue.push((static_cast<std::uint64_t>(rank) << 32) | static_cast<unsigned>(left));
  };
  while (!queue.empty()) {
    const std::uint64_t top = queue.top();
    queue.pop();
    const int left = static_cast<int>(top & 0xFFFFFFFFu);
    const int merged = model.merged[static_cast<std::size_t>(top >> 32)];
    Symbol& symbol = symbols[static_cast<std::size_t>(left)];
    if (symbol.id < 0) continue;
    // The pair may have changed since it was queued.
    const auto now = rank_at(symbols, left, model);
    if (now < 0 || model.merged[static_cast<std::size_t>(now)] != merged) continue;
    Symbol& right = symbols[static_cast<std::size_t>(symbol.next)];
    right.id = -1;
    symbol.id = merged;
    symbol.next = right.next;
    if (symbol.next >= 0) symbols[static_cast<std::size_t>(symbol.next)].previous = left;
    offer(symbol.previous);
    offer(left);
  }
}

}  // namespace

void encode_piece(std::string_view piece, const Bpe& model, std::vector<int>& ids) {
  if (model.ignore_merges) {
    if (const auto whole = model.vocab.find(piece); whole != model.vocab.end()) {
      ids.push_back(whole->second);
      return;
    }
  }
  std::vector<Symbol> symbols = symbols_of(piece, model);
  merge_all(symbols, model);
  for (const Symbol& symbol : symbols) {
    if (symbol.id >= 0) ids.push_back(symbol.id);
  }
}

}  // namespace polykv::tok
