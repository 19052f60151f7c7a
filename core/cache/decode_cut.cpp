#include "core/cache/decode_cut.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "core/cache/keep.h"

namespace polykv {
namespace {

ModelShape shape_of(const ModelShape& model, int kv_heads) {
  ModelShape shape = model;
  shape.query_heads = model.query_heads / model.kv_heads * kv_heads;
  shape.kv_heads = kv_heads;
  return shape;
}

bool has_param(const Policy& policy, const char* name) {
  return std::any_of(policy.params.begin(), policy.params.end(),
                     [&](const ParamSpec& spec) { return spec.name == std::string(name); });
}

// A ragged policy's heads share the rows of the layer: all are scored, then all are cut at once.
void cut_ragged(const Decoder& decoder, LayerRows& rows, const Policy& policy,
                const LayerChoice& choice, CutContext context) {
  const int heads = rows.shape().kv_heads;
  int all = 0;
  for (int h = 0; h < heads; ++h) all += rows.length(h);
  if (all <= heads * context.budget) return;
  std::vector<LayerScores> scores;
  std::vector<std::span<const std::int32_t>> held;
  for (int h = 0; h < heads; ++h) {
    context.tokens = rows.length(h);
    scores.push_back(
        policy_scores(policy, DecodeView(decoder, rows, context, h, 1), choice.params));
    held.emplace_back(rows.positions(h));
  }
  rows.keep(0, keep_ragged(policy, choice, scores, held));
}

}  // namespace

QueryMemory query_memory(const LayerChoice& decode) {
  const Policy* policy = find_policy(decode.policy);
  QueryMemory memory;
  if (!policy || !policy->score) return memory;
  memory.totals = (policy->needs & kNeedsAllQueries) != 0;
  if (policy->needs & kNeedsWindow) {
    memory.window =
        has_param(*policy, "window") ? integer_param(decode.params, policy->params, "window") : 1;
  }
  return memory;
}

DecodeView::DecodeView(const Decoder& decoder, const LayerRows& rows, const CutContext& context,
                       int first_kv_head, int kv_heads)
    : LayerView(context, shape_of(rows.shape(), kv_heads), first_kv_head),
      decoder_(decoder),
      rows_(rows) {}

// One part of the rows for every head of the view, stacked or (query heads) joined.
at::Tensor DecodeView::stacked(at::Tensor (LayerRows::*part)(int) const, bool join) const {
  std::vector<at::Tensor> heads;
  for (int h = 0; h < shape().kv_heads; ++h) heads.push_back((rows_.*part)(first_kv_head() + h));
  return (join ? at::cat(heads) : at::stack(heads)).to(at::kFloat);
}

at::Tensor DecodeView::keys() const { return stacked(&LayerRows::keys, false); }
at::Tensor DecodeView::values() const { return stacked(&LayerRows::values, false); }

at::Tensor DecodeView::positions() const {
  at::Tensor out = at::empty({shape().kv_heads, tokens()}, at::kLong);
  for (int h = 0; h < shape().kv_heads; ++h) {
    const std::vector<std::int32_t>& held = rows_.positions(first_kv_head() + h);
    std::copy(held.begin(), held.end(), out[h].data_ptr<std::int64_t>());
  }
  return out;
}

at::Tensor DecodeView::attention_rows(int window) const {
  const at::Tensor rows = stacked(&LayerRows::recent, true);
  const std::int64_t last = std::min<std::int64_t>(rows.size(1), window);
  return rows.narrow(1, rows.size(1) - last, last);
}

at::Tensor DecodeView::attention_sums(int window) const { return attention_rows(window).sum(1); }
at::Tensor DecodeView::attention_totals() const { return stacked(&LayerRows::totals, true); }

at::Tensor DecodeView::attention_by_position(int window) const {
  struct Sum {
    double attention = 0;
    int heads = 0;
  };
  std::map<std::int32_t, Sum> by_position;  // over all kv heads of the layer, not only the view's
  for (int h = 0; h < rows_.shape().kv_heads; ++h) {
    const at::Tensor rows = window == kEveryQuery ? rows_.totals(h).unsqueeze(1) : rows_.recent(h);
    const std::int64_t last = std::min<std::int64_t>(rows.size(1), window);
    const at::Tensor sums =
        rows.narrow(1, rows.size(1) - last, last).sum(1).sum(0).to(at::kFloat).contiguous();
    for (int i = 0; i < rows_.length(h); ++i) {
      Sum& sum = by_position[rows_.positions(h)[i]];
      sum.attention += sums.data_ptr<float>()[i];
      sum.heads += group();
    }
  }
  at::Tensor out = at::empty({shape().kv_heads, tokens()}, at::kFloat);
  float* value = out.data_ptr<float>();
  for (int h = 0; h < shape().kv_heads; ++h) {
    for (const std::int32_t position : rows_.positions(first_kv_head() + h)) {
      const Sum& sum = by_position[position];
      *value++ = static_cast<float>(sum.attention / sum.heads);
    }
  }
  return out;
}

at::Tensor DecodeView::queries_before_rope(int, int) const {
  throw std::logic_error("queries before RoPE are not kept while decoding");
}

RopeAngles DecodeView::angles(const at::Tensor& positions) const {
  const int longest = static_cast<int>(positions.max().item<std::int64_t>()) + 1;
  return decoder_.angles(positions, longest);
}

at::Tensor DecodeView::output_weight() const {
  const std::int64_t rows = static_cast<std::int64_t>(group()) * shape().head_dim;
  return decoder_.output_weight(layer())
      .narrow(1, first_kv_head() * rows, shape().kv_heads * rows)
      .to(at::kFloat);
}

void cut_while_decoding(const Decoder& decoder, LayerRows& rows, const LayerChoice& choice,
                        CutContext context) {
  ++rows.fed;
  const Policy* policy = find_policy(choice.policy);
  if (!policy || !policy->score || !choice.budget || rows.fed % cut_interval(choice) != 0) {
    return;
  }
  context.phase = Phase::decode;
  context.budget = *choice.budget;
  if (policy->split && !rows.even()) return cut_ragged(decoder, rows, *policy, choice, context);
  // Heads of one length are cut together, others each on its own.
  const int heads = rows.shape().kv_heads, together = rows.even() ? heads : 1;
  const LayerRows before = policy->merge ? rows.copy() : LayerRows();  // merging reads what leaves
  struct Cut {
    int first_head;
    LayerScores scores;
    Kept slots;
  };
  std::vector<Cut> cuts;  // all are decided first: policies look at the whole layer
  for (int first = 0; first < heads; first += together) {
    context.tokens = rows.length(first);
    if (context.tokens <= context.budget) continue;
    const DecodeView view(decoder, rows, context, first, together);
    std::vector<std::span<const std::int32_t>> held;
    for (int h = 0; h < together; ++h) held.emplace_back(rows.positions(first + h));
    LayerScores scores = policy_scores(*policy, view, choice.params);
    Kept slots = keep_rows(*policy, choice, scores, together, held);
    cuts.push_back({first, std::move(scores), std::move(slots)});
  }
  for (const auto& [first, scores, slots] : cuts) {
    rows.keep(first, slots);
    if (!policy->merge) continue;
    context.tokens = before.length(first);
    rows.merge(*policy, DecodeView(decoder, before, context, first, together), scores, slots,
               choice.params);
  }
}

}  // namespace polykv
