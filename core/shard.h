#pragma once
// One part of work that several processes share: part i of n, as `--shard i/n` says it.
#include <string>
#include <vector>

#include "core/files.h"

namespace polykv {

struct Shard {
  int index = 1, of = 1;  // 1 <= index <= of
  bool operator==(const Shard&) const = default;

  bool whole() const { return of == 1; }
  bool holds(int item) const { return item % of == index - 1; }
};

// "2/8". Throws a usage Error for anything else.
Shard parse_shard(const std::string& text);
Json shard_json(const Shard& shard);  // {"index", "of"}
// Reads it back; origin is the file for the message of the input Error.
Shard shard_from(const Json& json, const std::string& origin);
// Throws an input Error unless these are all parts of one whole, each once; origins: their files.
void check_shards(const std::vector<Shard>& shards, const std::vector<std::string>& origins);

}  // namespace polykv
