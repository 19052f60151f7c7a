#include "core/cache/keep.h"

#include "core/error.h"
#include "kernels/compact.h"

namespace polykv {

LayerScores policy_scores(const Policy& policy, const LayerView& view, const Params& params) {
  const std::string where = "layer " + std::to_string(view.layer());
  if ((policy.needs & kNeedsHeads) && view.ranked_heads().empty()) {
    fail_input("plan", where,
               std::string(policy.id) + " needs a head list of this model; `heads` makes one and " +
                   "--heads FILE reads it");
  }
  at::Tensor scores = policy.score(view, params).to(at::kFloat);
  if (scores.dim() == 1) scores = scores.unsqueeze(0);
  scores = scores.contiguous();
  if (at::isnan(scores).any().item<bool>()) {
    throw Error(ErrorKind::failed, where + ": the scores of " + policy.id +
                                       " are not numbers; are keys or weights NaN?");
  }
  LayerScores made;
  made.rows = static_cast<int>(scores.size(0));
  made.tokens = view.tokens();
  made.scores.assign(scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel());
  if ((policy.needs & kNeedsHeads) && !view.head_scores().empty()) {
    const int group = view.group();
    for (int head = 0; head < view.shape().kv_heads; ++head) {  // mean of the group's query heads
      float sum = 0;
      for (int i = 0; i < group; ++i) sum += view.head_scores()[head * group + i];
      made.head_weights.push_back(sum / static_cast<float>(group));
    }
  }
  return made;
}

void gather_rows(const at::Tensor& source, int tokens, const Kept& kept, at::Tensor& out) {
  const int heads = static_cast<int>(source.size(0));
  if (kept.everything()) {
    out.narrow(1, 0, tokens).copy_(source.narrow(1, 0, tokens));
    return;
  }
  const at::Tensor rows = source.contiguous();
  const CompactShape shape{.rows = heads,
                           .tokens = static_cast<int>(rows.size(1)),
                           .kept = kept.count(0),
                           .dim = static_cast<int>(rows.size(2)),
                           .out_stride = static_cast<int>(out.size(1))};
  compact_cpu(rows.data_ptr<float>(), kept.positions.data(), shape, out.data_ptr<float>());
}

}  // namespace polykv
