#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "core/budgets/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"floor", ParamKind::integer, 1, 1e7, 32.0, "fewest tokens of a layer"},
    {"cap", ParamKind::integer, 0, 1e7, 0.0, "most tokens of a layer; 0 = three times the mean"},
};

// Errors that sum to 1. Lists printed with a few digits sum to nearly 1 and are taken as printed.
std::vector<double> normalised(const std::vector<double>& errors) {
  const double largest = *std::max_element(errors.begin(), errors.end());
  if (largest == 0) return std::vector<double>(errors.size(), 1.0 / double(errors.size()));
  double sum = 0;  // of huge errors would overflow
  for (const double error : errors) sum += error / largest;
  if (std::abs(sum * largest - 1) < 1e-3) return errors;
  std::vector<double> shares;
  for (const double error : errors) shares.push_back(error / largest / sum);
  return shares;
}

// Moves the budgets by 1 in this order, again and again, while `rest` lasts; a layer at its bound
// is passed over. Sweeps in which nothing reaches a bound are done at once.
void sweep(std::vector<std::int64_t>& budgets, const std::vector<std::size_t>& order,
           std::int64_t rest, std::int64_t bound, int step) {
  while (rest > 0) {
    std::int64_t open = 0, room = rest;
    for (const std::size_t l : order) {
      if (budgets[l] == bound) continue;
      ++open;
      room = std::min(room, (bound - budgets[l]) * step);
    }
    const std::int64_t sweeps = std::max<std::int64_t>(1, std::min(room, rest / open));
    for (const std::size_t l : order) {
      if (budgets[l] == bound || rest == 0) continue;
      const std::int64_t tokens = std::min(sweeps, rest);
      budgets[l] += step * tokens;
      rest -= tokens;
    }
  }
}

// CompressKV: floor + round(e * spare) clipped to [floor, cap]; what is over goes to the largest
// errors first, what is missing comes from the smallest.
std::vector<double> shares(int total, const Signal& signal, const Limits& limits,
                           const Params& params) {
  const auto layers = static_cast<std::int64_t>(signal.values.size());
  Limits own{integer_param(params, kParams, "floor"), integer_param(params, kParams, "cap")};
  if (own.cap == 0) own.cap = static_cast<int>(std::min<std::int64_t>(3LL * total / layers, 1e9));
  own.floor = std::max(own.floor, limits.floor);
  if (limits.cap > 0) own.cap = std::min(own.cap, limits.cap);
  check_total(total, signal.values.size(), own);

  const std::vector<double> errors = normalised(signal.values);
  const double spare = static_cast<double>(total - own.floor * layers);
  std::vector<std::int64_t> budgets;
  for (const double error : errors) {  // nearbyint rounds halves to even
    const auto extra = static_cast<std::int64_t>(std::nearbyint(error * spare));
    budgets.push_back(std::clamp<std::int64_t>(own.floor + extra, own.floor, own.cap));
  }
  std::vector<std::size_t> order(errors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::int64_t rest = total - std::accumulate(budgets.begin(), budgets.end(), 0LL);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return rest > 0 ? errors[a] > errors[b] : errors[a] < errors[b];
  });
  if (rest > 0) sweep(budgets, order, rest, own.cap, 1);
  if (rest < 0) sweep(budgets, order, -rest, own.floor, -1);
  return {budgets.begin(), budgets.end()};
}

}  // namespace

constinit const Allocator kError = {"error",
                                    "CompressKV's: by the eviction error of the layers (values)",
                                    "arXiv 2508.02401",
                                    kValues,
                                    kParams,
                                    shares};

}  // namespace polykv
