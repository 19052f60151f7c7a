#include "core/probe/head_score.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace polykv {

StepScore& StepScore::operator+=(const StepScore& other) {
  paper += other.paper;
  multiplicity += other.multiplicity;
  top1 += other.top1;
  return *this;
}

StepScore step_score(std::span<const int> ids, Span span, int emitted,
                     std::span<const float> attention) {
  const int length = span.last - span.first + 1;
  const auto found = std::count(ids.begin() + span.first, ids.begin() + span.last + 1, emitted);
  if (found == 0) return {};
  double mass = 0;
  for (int j = span.first; j <= span.last; ++j) mass += attention[j];
  const auto best = std::max_element(attention.begin(), attention.end()) - attention.begin();
  const bool hit = best >= span.first && best <= span.last && ids[best] == emitted;
  return {mass, mass * static_cast<double>(found), hit ? 1.0 / length : 0.0};
}

HeadScore summarize_runs(std::span<const double> runs) {
  HeadScore score;
  score.n = static_cast<int>(runs.size());
  if (score.n == 0) return score;
  score.mean = std::accumulate(runs.begin(), runs.end(), 0.0) / score.n;
  if (score.n < 2) return score;
  double squares = 0;
  for (const double run : runs) squares += (run - score.mean) * (run - score.mean);
  score.spread = std::sqrt(squares / (score.n - 1) / score.n);
  return score;
}

std::vector<int> rank_heads(const std::vector<HeadScore>& scores) {
  std::vector<int> heads(scores.size());
  std::iota(heads.begin(), heads.end(), 0);
  std::stable_sort(heads.begin(), heads.end(),
                   [&](int a, int b) { return scores[a].mean > scores[b].mean; });
  return heads;
}

std::vector<HeadPlace> top_heads(const std::vector<std::vector<HeadScore>>& layers, int count) {
  std::vector<HeadPlace> places;
  for (int l = 0; l < static_cast<int>(layers.size()); ++l) {
    for (int h = 0; h < static_cast<int>(layers[l].size()); ++h) places.push_back({l, h});
  }
  std::stable_sort(places.begin(), places.end(), [&](HeadPlace a, HeadPlace b) {
    return layers[a.layer][a.head].mean > layers[b.layer][b.head].mean;
  });
  places.resize(std::min<std::size_t>(places.size(), static_cast<std::size_t>(count)));
  return places;
}

}  // namespace polykv
