#pragma once
// The instant proxy: kept mass of a plan from stored scores, cheap enough for the frame of a drag.
#include <memory>
#include <string>
#include <vector>

#include "core/cache/kept.h"
#include "core/plan/plan.h"

namespace polykv {

struct ProxyCase {
  int tokens = 0;                                          // tokens the cut looks at
  std::vector<std::shared_ptr<const LayerScores>> layers;  // null for `full`
  // per layer (kv_heads, tokens or more columns): attention of question and answer queries, mean
  // over queries and the heads of the group, full cache. Columns after the cut are never evicted.
  std::vector<std::shared_ptr<const std::vector<float>>> mass;
};

struct ProxyData {
  std::vector<LayerChoice> choices;  // policy and params per layer that `scores` belong to
  QueryVisibility query = QueryVisibility::agnostic;
  int kv_heads = 0;
  std::vector<ProxyCase> cases;
};

struct ProxyCut {
  bool available = false;        // false: some layer's policy has no stored scores yet
  double kept_mass = 0;          // mean over cases and layers
  std::vector<double> by_layer;  // mean over cases
  // of the case asked for: per layer, per kv head kept positions; an empty layer = everything kept
  std::vector<std::vector<std::vector<int>>> kept;
};

// Applies the keep rule to the stored scores. `detail_case` is the case whose positions are
// returned.
ProxyCut preview_cut(const ProxyData& data, const Plan& plan, int detail_case);

}  // namespace polykv
