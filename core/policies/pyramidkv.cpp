#include "core/policies/rows.h"

namespace polykv {
namespace {

const std::vector<ParamSpec>& specs() {
  static const std::vector<ParamSpec> all = [] {
    const std::span<const ParamSpec> as_snapkv = snapkv_policy().params;
    std::vector<ParamSpec> made(as_snapkv.begin(), as_snapkv.end());
    made.push_back({"beta", ParamKind::number, 1, 1000, 20.0,
                    "steepness of the pyramid allocator, which sets the budgets"});
    return made;
  }();
  return all;
}

}  // namespace

const Policy& pyramidkv_policy() {
  static const Policy row = {
      .id = "pyramidkv",
      .code = "PY",
      .summary = "scores as snapkv; meant for budgets by the allocator pyramid",
      .paper = "arXiv 2406.02069",
      .params = specs(),
      .needs = snapkv_policy().needs,
      .phases = kPrefill,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = snapkv_policy().protect,
      .score = snapkv_policy().score};
  return row;
}

}  // namespace polykv
