#include <algorithm>
#include <functional>

#include "core/budgets/rows.h"

namespace polykv {
namespace {

// The best scores of all layers and heads in one pool. A budget counts tokens per head, so one
// pooled score of a layer with R rows is 1/R of a token.
std::vector<double> shares(int total, const Signal& signal, const Limits& limits, const Params&) {
  std::vector<std::vector<Segment>> layers;
  for (const Signal::Rows& rows : signal.scores) {
    std::vector<double> pool;
    for (const std::vector<double>& row : rows) pool.insert(pool.end(), row.begin(), row.end());
    std::sort(pool.begin(), pool.end(), std::greater<>());
    std::vector<Segment> segments;
    for (const double score : pool) segments.push_back({score, 1.0 / double(rows.size())});
    layers.push_back(std::move(segments));
  }
  return spend_on_steepest(std::move(layers), total, limits);
}

}  // namespace

constinit const Allocator kGlobalTopk = {
    "global_topk", "the best scores of all layers and heads in one pool", "", kScores, {}, shares};

}  // namespace polykv
