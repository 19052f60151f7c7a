#include "kernels/select.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace polykv {
namespace {

// One candidate as one number that sorts best first: the score's order turned upside down, then
// the position, so that equal scores fall in position order.
std::uint64_t rank_of(float score, int position) {
  std::uint32_t order = 0;  // NaN: below -inf
  if (score == score) {
    const auto bits = std::bit_cast<std::uint32_t>(score == 0.0f ? 0.0f : score);  // -0 ties with 0
    order = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  }
  return static_cast<std::uint64_t>(~order) << 32 | static_cast<std::uint32_t>(position);
}

}  // namespace

int kept_count(const SelectShape& shape) {
  return std::min(std::max(shape.budget, 1), std::max(shape.tokens, 0));
}

SelectShape fit_protected(SelectShape shape) {
  const int kept = kept_count(shape);
  shape.sink = std::clamp(shape.sink, 0, kept);
  shape.recent = std::clamp(shape.recent, 0, kept - shape.sink);
  return shape;
}

void select_cpu(const float* scores, const SelectShape& shape, std::int32_t* kept) {
  const SelectShape fitted = fit_protected(shape);
  const int count = kept_count(fitted);
  const int begin = fitted.sink, end = fitted.tokens - fitted.recent;  // the candidates
  const int picks = count - fitted.sink - fitted.recent;
  std::vector<std::uint64_t> ranks, partitioned;
  for (int row = 0; row < fitted.rows && count > 0; ++row) {
    for (int i = 0; i < begin; ++i) *kept++ = i;
    if (picks > 0) {
      const float* row_scores = scores + static_cast<std::size_t>(row) * fitted.tokens;
      ranks.clear();
      for (int i = begin; i < end; ++i) ranks.push_back(rank_of(row_scores[i], i));
      partitioned = ranks;
      const auto worst_kept = partitioned.begin() + (picks - 1);
      std::nth_element(partitioned.begin(), worst_kept, partitioned.end());
      for (int i = begin; i < end; ++i) {
        if (ranks[i - begin] <= *worst_kept) *kept++ = i;  // ranks are unique: exactly `picks`
      }
    }
    for (int i = end; i < fitted.tokens; ++i) *kept++ = i;
  }
}

}  // namespace polykv
