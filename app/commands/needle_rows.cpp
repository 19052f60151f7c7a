#include "app/commands/needle_rows.h"

#include <algorithm>

#include "core/error.h"
#include "core/shard.h"

namespace polykv {

Json merge_needle_rows(const std::vector<Json>& parts, const std::vector<std::string>& paths) {
  std::vector<Shard> shards;
  std::vector<Json> rows;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!parts[p].is_object()) fail_input(paths[p], "", "expected a JSON object");
    for (const char* key : {"settings", "row_count", "shard", "rows"}) {
      if (!parts[p].contains(key)) fail_input(paths[p], key, "is missing");
    }
    if (!parts[p].is_object()) fail_input(paths[p], "", "expected a JSON object");
    for (const char* key : {"settings", "row_count"}) {
      if (parts[p][key] != parts[0][key]) {
        fail_input(paths[p], key, "is not that of " + paths[0]);
      }
    }
    shards.push_back(shard_from(parts[p]["shard"], paths[p]));
    if (!parts[p]["rows"].is_array()) fail_input(paths[p], "rows", "expected a list");
    for (const Json& row : parts[p]["rows"]) {
      if (!row.is_object() || !row.contains("row") || !row["row"].is_number_integer()) {
        fail_input(paths[p], "rows", "expected \"row\", its number in the whole, in each entry");
      }
      rows.push_back(row);
    }
  }
  check_shards(shards, paths);
  std::sort(rows.begin(), rows.end(),
            [](const Json& a, const Json& b) { return a["row"].get<int>() < b["row"].get<int>(); });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]["row"] != i) fail_input("", "merge", "row " + std::to_string(i) + " is missing");
  }
  Json all = parts[0];
  all["shard"] = shard_json({});
  all["rows"] = rows;
  if (all["row_count"] != rows.size()) {
    fail_input(
        "", "merge",
        "expected " + all["row_count"].dump() + " rows, found " + std::to_string(rows.size()));
  }
  return all;
}

}  // namespace polykv
