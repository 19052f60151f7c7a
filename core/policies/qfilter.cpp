#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/error.h"
#include "core/policies/artefact.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"file", ParamKind::text, 0, 0, std::string(),
     "JSON with \"q_filters\": per layer and kv head the direction of the queries, head_dim "
     "numbers"},
};

using Filters = std::vector<std::vector<std::vector<float>>>;  // [layer][kv head][channel]

Filters parse(const std::string& path) {
  const Json file = read_artefact(path, "q_filters");
  Filters filters;
  for (const Json& layer : file["q_filters"]) {
    const std::string key = "q_filters[" + std::to_string(filters.size()) + "]";
    if (!layer.is_array()) fail_input(path, key, "must be a list with one entry per kv head");
    filters.emplace_back();
    for (const Json& head : layer) filters.back().push_back(number_list(head, path, key));
  }
  return filters;
}

at::Tensor score(const LayerView& view, const Params& params) {
  static ArtefactCache<Filters> cache(parse);
  const std::string path = text_param(params, kParams, "file");
  const std::shared_ptr<const Filters> filters = cache.read(path);
  std::vector<std::size_t> sizes;
  for (const auto& layer : *filters) sizes.push_back(layer.size());
  check_artefact(path, "q_filters", sizes, view);
  const ModelShape& s = view.shape();
  at::Tensor rows = at::empty({s.kv_heads, s.head_dim}, at::kFloat);
  for (int h = 0; h < s.kv_heads; ++h) {
    const std::vector<float>& filter = (*filters)[view.layer()][view.first_kv_head() + h];
    if (filter.size() != static_cast<std::size_t>(s.head_dim)) {
      fail_input(path, "q_filters",
                 "has " + std::to_string(filter.size()) + " channels in layer " +
                     std::to_string(view.layer()) + ", this model's heads have " +
                     std::to_string(s.head_dim));
    }
    std::copy(filter.begin(), filter.end(), rows[h].data_ptr<float>());
  }
  return -at::bmm(view.keys(), rows.unsqueeze(2)).squeeze(2);
}

}  // namespace

const Policy& qfilter_policy() {
  static const Policy row = {
      .id = "qfilter",
      .code = "QF",
      .summary = "keeps the keys that lie along a trained direction of each head's queries",
      .paper = "arXiv 2503.02812",
      .params = kParams,
      .needs = kNeedsKeys | kNeedsFile,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::per_kv_head,
      .reads_queries = false,
      .protect = protect_nothing,
      .score = score};
  return row;
}

}  // namespace polykv
