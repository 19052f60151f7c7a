#include <algorithm>
#include <climits>
#include <cstdint>

#include "core/budgets/allocator.h"
#include "core/budgets/rounding.h"
#include "core/budgets/rows.h"
#include "core/error.h"
#include "core/suggest.h"

namespace polykv {

std::span<const Allocator> allocators() {
  static const Allocator table[] = {kUniform, kPyramid, kProportional, kCake,
                                    kError,   kZigzag,  kHullGreedy,   kGlobalTopk};
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

std::vector<int> Allocator::share(int total, const Signal& signal, const Limits& limits,
                                  const Params& given) const {
  const std::string where = std::string("allocator ") + id;
  check_params(given, params, where);
  check_signal(signal, needs, where);
  check_total(total, static_cast<std::size_t>(signal.layers()), limits);
  return round_budgets(shares(total, signal, limits, given), total, limits);
}

void check_total(int total, std::size_t layers, const Limits& limits) {
  const auto text = [](auto number) { return std::to_string(number); };
  if (layers == 0) fail_input("", "allocator", "at least one layer is needed");
  if (limits.floor < 0) fail_input("", "floor", "must be at least 0, found " + text(limits.floor));
  if (limits.cap < 0) fail_input("", "cap", "must be at least 0, found " + text(limits.cap));
  const std::int64_t least = static_cast<std::int64_t>(limits.floor) * layers;
  if (total < least) {
    fail_input("", "total",
               text(total) + " is too small, the floor cannot be met: " + text(layers) +
                   " layers keep at least " + text(limits.floor) + " each, " + text(least) +
                   " together");
  }
  const std::int64_t most = static_cast<std::int64_t>(limits.cap) * layers;
  if (limits.cap > 0 && total > most) {
    fail_input("", "total",
               text(total) + " is too large, " + text(layers) + " layers hold at most " +
                   text(limits.cap) + " each, " + text(most) + " together");
  }
}

std::vector<double> equal_shares(int total, std::size_t layers) {
  return std::vector<double>(layers, static_cast<double>(total) / static_cast<double>(layers));
}

std::vector<double> weighted_shares(int total, double base, const std::vector<double>& weights) {
  const double largest = *std::max_element(weights.begin(), weights.end());
  if (largest == 0) return equal_shares(total, weights.size());
  double sum = 0;  // divided by the largest: huge weights do not overflow
  for (const double weight : weights) sum += weight / largest;
  const double spare = total - base * static_cast<double>(weights.size());
  std::vector<double> shares;
  for (const double weight : weights) shares.push_back(base + spare * (weight / largest / sum));
  return shares;
}

std::vector<int> round_budgets(const std::vector<double>& shares, int total, const Limits& limits) {
  check_total(total, shares.size(), limits);
  const int cap = limits.cap > 0 ? limits.cap : INT_MAX;
  return round_within(
      shares, total,
      {std::vector<int>(shares.size(), limits.floor), std::vector<int>(shares.size(), cap)});
}

}  // namespace polykv
