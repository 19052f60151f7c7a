#include <climits>
#include <cstdint>

#include "core/budgets/allocator.h"
#include "core/budgets/rounding.h"
#include "core/budgets/rows.h"
#include "core/error.h"
#include "core/suggest.h"

namespace polykv {

std::span<const Allocator> allocators() {
  static const Allocator table[] = {kUniform, kPyramid, kProportional};
  return table;
}

const Allocator& find_allocator(const std::string& id) {
  std::vector<std::string> known;
  for (const Allocator& row : allocators()) {
    if (id == row.id) return row;
    known.push_back(row.id);
  }
  const std::string nearest = nearest_word(id, known);
  std::string hint;
  for (const std::string& word : known) hint += (hint.empty() ? "known are " : ", ") + word;
  if (!nearest.empty()) hint = "nearest is '" + nearest + "'";
  fail_input("", "", "allocator '" + id + "' is unknown, " + hint);
}

void check_total(int total, std::size_t layers, const Limits& limits) {
  const auto text = [](auto number) { return std::to_string(number); };
  if (layers == 0) fail_input("", "allocator", "at least one layer is needed");
  if (limits.floor < 0) fail_input("", "floor", "must be at least 0, found " + text(limits.floor));
  if (limits.cap < 0) fail_input("", "cap", "must be at least 0, found " + text(limits.cap));
  const std::int64_t least = static_cast<std::int64_t>(limits.floor) * layers;
  if (total < least) {
    fail_input("", "total",
               text(total) + " is too small, " + text(layers) + " layers keep at least " +
                   text(limits.floor) + " each, " + text(least) + " together");
  }
  const std::int64_t most = static_cast<std::int64_t>(limits.cap) * layers;
  if (limits.cap > 0 && total > most) {
    fail_input("", "total",
               text(total) + " is too large, " + text(layers) + " layers hold at most " +
                   text(limits.cap) + " each, " + text(most) + " together");
  }
}

std::vector<int> round_budgets(const std::vector<double>& shares, int total, const Limits& limits) {
  check_total(total, shares.size(), limits);
  const int cap = limits.cap > 0 ? limits.cap : INT_MAX;
  return round_within(
      shares, total,
      {std::vector<int>(shares.size(), limits.floor), std::vector<int>(shares.size(), cap)});
}

}  // namespace polykv
