#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/cache/layer_view.h"
#include "core/error.h"
#include "core/policies/artefact.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"file", ParamKind::text, 0, 0, std::string(),
     "JSON with \"full_attention_heads\" (per layer one trained gate per kv head, 0 to 1), "
     "\"sink_size\" and \"recent_size\""},
};

constexpr const char* kKey = "full_attention_heads";

struct Pattern {
  int sink = 0, recent = 0;
  std::vector<std::vector<float>> gates;  // [layer][kv head]
};

int size_at(const Json& file, const char* key, const std::string& path) {
  const Json value = file.value(key, Json());
  if (!value.is_number_integer() || value < 0 || value > 1000000) {
    fail_input(path, key, "must be an integer from 0 to 1000000");
  }
  return value.get<int>();
}

Pattern parse(const std::string& path) {
  const Json file = read_artefact(path, kKey);
  Pattern pattern{size_at(file, "sink_size", path), size_at(file, "recent_size", path), {}};
  for (const Json& layer : file[kKey]) {
    pattern.gates.push_back(
        number_list(layer, path, kKey + ("[" + std::to_string(pattern.gates.size()) + "]")));
  }
  return pattern;
}

std::vector<std::size_t> sizes_of(const Pattern& pattern) {
  std::vector<std::size_t> sizes;
  for (const auto& layer : pattern.gates) sizes.push_back(layer.size());
  return sizes;
}

void check_file(const std::string& path, const ModelShape& model) {
  check_artefact(path, kKey, sizes_of(parse(path)), model);
}

std::shared_ptr<const Pattern> pattern_of(const Params& params) {
  static ArtefactCache<Pattern> cache(parse);
  return cache.read(text_param(params, kParams, "file"));
}

// Inside a head, position alone decides: sinks (2) before the newest token, which carries the
// head's gate (0 to 1) for `split`, before all others, the later the better (below 0).
at::Tensor score(const LayerView& view, const Params& params) {
  const std::shared_ptr<const Pattern> pattern = pattern_of(params);
  check_artefact(text_param(params, kParams, "file"), kKey, sizes_of(*pattern), view);
  const int n = view.tokens();
  at::Tensor scores = at::arange(-n, 0, at::kFloat).repeat({view.shape().kv_heads, 1}).contiguous();
  scores.masked_fill_(view.positions() < pattern->sink, 2);
  for (int h = 0; h < view.shape().kv_heads; ++h) {
    const float gate = pattern->gates[view.layer()][view.first_kv_head() + h];
    scores[h].data_ptr<float>()[n - 1] = std::clamp(gate, 0.0f, 1.0f);
  }
  return scores;
}

// Every head streams (sinks and recent tokens); what the layer's budget leaves makes whole heads of
// those with the largest gates, one after another, ties to the lower head.
std::vector<int> split(const SplitInput& in, const Params& params) {
  const std::shared_ptr<const Pattern> pattern = pattern_of(params);
  const int even = kept_count(in.shape);
  const int streaming = std::clamp(pattern->sink + pattern->recent, 1, even);
  const auto held = [&](int head) { return static_cast<int>(in.scores[head].size()); };
  const auto gate = [&](int head) { return in.scores[head].back(); };
  std::vector<int> counts, order(in.scores.size());
  std::iota(order.begin(), order.end(), 0);
  int rest = even * static_cast<int>(order.size());
  for (const int head : order) {
    counts.push_back(std::min(streaming, held(head)));
    rest -= counts.back();
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return gate(a) > gate(b); });
  for (const int head : order) {
    const int more = std::min(rest, held(head) - counts[head]);
    counts[head] += more;
    rest -= more;
  }
  return counts;
}

}  // namespace

const Policy& duo_policy() {
  static const Policy row = {
      .id = "duo",
      .code = "DU",
      .summary =
          "kv heads with large trained gates keep everything, the others sinks and recent "
          "tokens",
      .paper = "arXiv 2410.10819",
      .params = kParams,
      .needs = kNeedsFile,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::ragged,
      .reads_queries = false,
      .protect = protect_nothing,
      .score = score,
      .split = split,
      .check_file = check_file};
  return row;
}

}  // namespace polykv
