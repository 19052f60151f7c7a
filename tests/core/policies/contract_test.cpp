#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "core/cache/engine.h"
#include "core/policies/policy.h"
#include "tests/support/goldens.h"

using namespace polykv;

namespace {

const Model& model() {
  static const auto opened = Model::open(golden("models/llama_gqa"));
  return *opened;
}

std::vector<int> prompt(int n) {
  std::vector<int> ids;
  for (int i = 0; i < n; ++i) ids.push_back((i * 37 + 11) % 400);
  return ids;
}

KeepResult keep_all_layers(const std::string& policy, int budget, int n, std::uint64_t seed = 0) {
  GenerateRequest request;
  request.context = prompt(n);
  request.plan = uniform_plan(policy, budget, model().shape().layers, QueryVisibility::aware);
  request.plan.seed = seed;
  return keep(model(), request);
}

}  // namespace

TEST_CASE("every policy keeps exactly the budget, ascending, at hostile sizes") {
  for (const Policy& policy : policies()) {
    if (!policy.score) continue;
    for (const int n : {1, 2, 5, 8, 9, 40}) {
      for (const int budget : {1, 2, 5, 8, 9, 39, 40, 41}) {
        INFO(policy.id << " n " << n << " budget " << budget);
        const KeepResult result = keep_all_layers(policy.id, budget, n);
        for (const KeptRows& layer : result.layers) {
          REQUIRE(layer.positions.size() == 2);
          for (const std::vector<int>& row : layer.positions) {
            REQUIRE(static_cast<int>(row.size()) == std::min(budget, n));
            REQUIRE(std::set<int>(row.begin(), row.end()).size() == row.size());
            REQUIRE(std::is_sorted(row.begin(), row.end()));
            REQUIRE((row.front() >= 0 && row.back() < n));
          }
        }
      }
    }
  }
}

TEST_CASE("every policy gives finite scores and the same ones twice") {
  for (const Policy& policy : policies()) {
    if (!policy.score) continue;
    INFO(policy.id);
    const KeepResult a = keep_all_layers(policy.id, 12, 60, 5);
    const KeepResult b = keep_all_layers(policy.id, 12, 60, 5);
    for (std::size_t l = 0; l < a.layers.size(); ++l) {
      CHECK(a.layers[l].positions == b.layers[l].positions);
      CHECK(a.layers[l].scores == b.layers[l].scores);
      for (const float s : a.layers[l].scores) CHECK_FALSE(std::isnan(s));
    }
  }
}

TEST_CASE("protected tokens survive a budget that holds them") {
  for (const Policy& policy : policies()) {
    if (!policy.score) continue;
    const int n = 60, budget = 20;
    const Protected fixed = policy.protect({}, budget, n);
    INFO(policy.id << " sink " << fixed.sink << " recent " << fixed.recent);
    REQUIRE(fixed.sink + fixed.recent <= budget);
    for (const KeptRows& layer : keep_all_layers(policy.id, budget, n).layers) {
      for (const std::vector<int>& row : layer.positions) {
        for (int i = 0; i < fixed.sink; ++i) CHECK(row[i] == i);
        for (int i = 0; i < fixed.recent; ++i) CHECK(row[budget - 1 - i] == n - 1 - i);
      }
    }
  }
}

TEST_CASE("random draws differ between seeds, layers and heads") {
  const KeepResult a = keep_all_layers("random", 10, 60, 1),
                   b = keep_all_layers("random", 10, 60, 2);
  CHECK(a.layers[0].positions != b.layers[0].positions);
  CHECK(a.layers[0].positions != a.layers[1].positions);
  CHECK(a.layers[0].positions[0] != a.layers[0].positions[1]);
}

TEST_CASE("streaming_llm with fewer tokens than sinks keeps the first ones") {
  for (const KeptRows& layer : keep_all_layers("streaming_llm", 2, 30).layers) {
    CHECK(layer.positions[0] == std::vector<int>{0, 1});
  }
}
