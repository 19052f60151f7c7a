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

void gather_rows(const at::Tensor& source, std::span<const std::int32_t> positions,
                 at::Tensor& out) {
  const at::Tensor rows = source.contiguous();
  const auto words = static_cast<int>(rows.size(1) * rows.element_size() / sizeof(float));
  const CompactShape shape{.rows = 1,
                           .tokens = static_cast<int>(rows.size(0)),
                           .kept = static_cast<int>(positions.size()),
                           .dim = words,
                           .out_stride = static_cast<int>(positions.size())};
  compact_cpu(static_cast<const float*>(rows.data_ptr()), positions.data(), shape,
              static_cast<float*>(out.data_ptr()));
}

}  // namespace polykv
