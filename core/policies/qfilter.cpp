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

constexpr const char* kKey = "q_filters";

using Filters = std::vector<std::vector<std::vector<float>>>;  // [layer][kv head][channel]

Filters parse(const std::string& path) {
  const Json file = read_artefact(path, kKey);
  Filters filters;
  for (const Json& layer : file[kKey]) {
    const std::string key = kKey + ("[" + std::to_string(filters.size()) + "]");
    if (!layer.is_array()) fail_input(path, key, "must be a list with one entry per kv head");
    filters.emplace_back();
    for (const Json& head : layer) filters.back().push_back(number_list(head, path, key));
  }
  return filters;
}

std::vector<std::size_t> sizes_of(const Filters& filters) {
  std::vector<std::size_t> sizes;
  for (const auto& layer : filters) sizes.push_back(layer.size());
  return sizes;
}

void check_channels(const std::vector<float>& filter, const std::string& path, int layer, int dim) {
  if (filter.size() == static_cast<std::size_t>(dim)) return;
  fail_input(path, kKey,
             "has " + std::to_string(filter.size()) + " channels in layer " +
                 std::to_string(layer) + ", this model's heads have " + std::to_string(dim));
}

void check_file(const std::string& path, const ModelShape& model) {
  const Filters filters = parse(path);
  check_artefact(path, kKey, sizes_of(filters), model);
  for (int l = 0; l < model.layers; ++l) {
    for (const auto& filter : filters[l]) check_channels(filter, path, l, model.head_dim);
  }
}

at::Tensor score(const LayerView& view, const Params& params) {
  static ArtefactCache<Filters> cache(parse);
  const std::string path = text_param(params, kParams, "file");
  const std::shared_ptr<const Filters> filters = cache.read(path);
  check_artefact(path, kKey, sizes_of(*filters), view);
  const ModelShape& s = view.shape();
  at::Tensor rows = at::empty({s.kv_heads, s.head_dim}, at::kFloat);
  for (int h = 0; h < s.kv_heads; ++h) {
    const std::vector<float>& filter = (*filters)[view.layer()][view.first_kv_head() + h];
    check_channels(filter, path, view.layer(), s.head_dim);
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
      .score = score,
      .check_file = check_file};
  return row;
}

}  // namespace polykv
