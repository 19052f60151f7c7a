#pragma once
// Head scores as arithmetic: ids and attention rows in, SRH and TRH contributions out
// (compresskv.md, section 1; CompressKV, arXiv 2508.02401).
#include <span>
#include <vector>

#include "core/probe/case.h"

namespace polykv {

// What one answer step adds to one head's scores.
struct StepScore {
  double paper = 0;         // SRH: attention mass on the span when the emitted id occurs in it
  double multiplicity = 0;  // SRH: that mass times how often the id occurs in the span
  double top1 = 0;  // TRH: 1 / span length when the largest weight is on that id in the span

  StepScore& operator+=(const StepScore& other);
};

// ids: the cached tokens, of which the span is part. attention: the head's softmax row at the step
// that predicted `emitted`, over the whole cache. The earliest of equal largest weights counts.
StepScore step_score(std::span<const int> ids, Span span, int emitted,
                     std::span<const float> attention);

// Mean over accepted runs and its standard error (0 for fewer than two runs).
struct HeadScore {
  double mean = 0, spread = 0;
  int n = 0;
  bool operator==(const HeadScore&) const = default;
};
HeadScore summarize_runs(std::span<const double> runs);

// Heads of one layer by falling mean; ties to the lower head.
std::vector<int> rank_heads(const std::vector<HeadScore>& scores);

// A head of the model.
struct HeadPlace {
  int layer = 0, head = 0;
  bool operator==(const HeadPlace&) const = default;
};
// The `count` heads with the largest means of all layers; ties to the lower layer and head.
std::vector<HeadPlace> top_heads(const std::vector<std::vector<HeadScore>>& layers, int count);

}  // namespace polykv
