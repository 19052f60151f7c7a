#include "core/shard.h"

#include <algorithm>
#include <cstdio>

#include "core/error.h"

namespace polykv {

namespace {

constexpr int kMostParts = 1'000'000;

bool valid(const Shard& shard) {
  return shard.of >= 1 && shard.of <= kMostParts && shard.index >= 1 && shard.index <= shard.of;
}

}  // namespace

Shard parse_shard(const std::string& text) {
  Shard shard;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d/%d%c", &shard.index, &shard.of, &rest) != 2 || !valid(shard)) {
    throw Error(ErrorKind::usage, "--shard: expected i/n with 1 <= i <= n, not '" + text + "'");
  }
  return shard;
}

Json shard_json(const Shard& shard) { return {{"index", shard.index}, {"of", shard.of}}; }

Shard shard_from(const Json& json, const std::string& origin) {
  Shard shard;
  const auto whole = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_number_integer();
  };
  if (whole("index") && whole("of")) {
    shard.index = json["index"].get<int>();
    shard.of = json["of"].get<int>();
    if (valid(shard)) return shard;
  }
  fail_input(origin, "shard", "expected {\"index\": i, \"of\": n} with 1 <= i <= n");
}

void check_shards(const std::vector<Shard>& shards, const std::vector<std::string>& origins) {
  if (shards.empty()) fail_input("", "merge", "expected at least one file");
  std::vector<int> from(shards[0].of, -1);
  for (std::size_t p = 0; p < shards.size(); ++p) {
    if (shards[p].of != shards[0].of) {
      fail_input(origins[p], "shard",
                 "is one of " + std::to_string(shards[p].of) + " parts, " + origins[0] +
                     " one of " + std::to_string(shards[0].of));
    }
    int& taken = from[shards[p].index - 1];
    if (taken >= 0)
      fail_input(origins[p], "shard", "is the same part as that of " + origins[taken]);
    taken = static_cast<int>(p);
  }
  const auto missing = std::find(from.begin(), from.end(), -1);
  if (missing != from.end()) {
    fail_input("", "merge",
               "part " + std::to_string(missing - from.begin() + 1) + " of " +
                   std::to_string(from.size()) + " is missing");
  }
}

}  // namespace polykv
