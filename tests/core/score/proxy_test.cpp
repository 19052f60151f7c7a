#include "core/score/proxy.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>
#include <random>

using namespace polykv;

namespace {

LayerChoice choice_of(const std::string& policy, int budget, Params params = {}) {
  LayerChoice choice;
  choice.policy = policy;
  if (budget > 0) choice.budget = budget;
  choice.params = std::move(params);
  return choice;
}

Plan plan_of(std::vector<LayerChoice> layers) {
  Plan plan;
  plan.of(Phase::decode).resize(layers.size());
  plan.of(Phase::prefill) = std::move(layers);
  return plan;
}

// Scores on a coarse grid, so that ties are common, and rows of mass that sum to `in_context`.
ProxyData drawn_data(const Plan& plan, int kv_heads, const std::vector<int>& tokens, int seed,
                     double in_context = 0.8) {
  std::mt19937 random(seed);
  ProxyData data;
  data.choices = plan.of(Phase::prefill);
  data.query = plan.query;
  data.kv_heads = kv_heads;
  for (const int count : tokens) {
    ProxyCase each;
    each.tokens = count;
    for (const LayerChoice& choice : data.choices) {
      auto layer = std::make_shared<LayerScores>();
      layer->tokens = count;
      layer->rows = choice.policy == "tova" || choice.policy == "streaming_llm" ? 1 : kv_heads;
      for (int i = 0; i < layer->rows * count; ++i) layer->scores.push_back(random() % 50 * 0.125f);
      auto mass = std::make_shared<std::vector<float>>();
      for (int head = 0; head < kv_heads; ++head) {
        std::vector<double> row;
        double sum = 0;
        for (int i = 0; i < count; ++i) row.push_back(1 + random() % 1000), sum += row.back();
        for (const double value : row)
          mass->push_back(static_cast<float>(value / sum * in_context));
      }
      each.layers.push_back(choice.policy == "full" ? nullptr : layer);
      each.mass.push_back(mass);
    }
    data.cases.push_back(each);
  }
  return data;
}

// The keep rule said plainly: protected positions, then by score, ties to the lower position.
std::vector<int> kept_positions(const LayerScores& layer, int head, const LayerChoice& choice) {
  const int n = layer.tokens, budget = *choice.budget;
  int sink = 0, recent = 0;  // policies.md
  if (choice.policy == "snapkv") recent = 8;
  if (choice.policy == "tova") recent = 1;
  if (choice.policy == "h2o") recent = budget / 2;
  if (choice.policy == "streaming_llm") sink = 4, recent = budget - 4;
  const float* scores = layer.scores.data() + (layer.rows == 1 ? 0 : head * n);
  std::vector<int> order;
  for (int i = 0; i < n; ++i) order.push_back(i);
  const auto is_protected = [&](int i) { return i < sink || i >= n - recent; };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    if (is_protected(a) != is_protected(b)) return is_protected(a);
    return !is_protected(a) && scores[a] > scores[b];
  });
  order.resize(budget);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

TEST_CASE("kept mass and positions agree with a plain loop over the tokens") {
  for (int seed = 0; seed < 40; ++seed) {
    const int budget = 10 + seed * 3;
    const Plan plan =
        plan_of({choice_of("snapkv", budget), choice_of("tova", 64), choice_of("full", 0),
                 choice_of("streaming_llm", 16), choice_of("h2o", budget), choice_of("knorm", 40)});
    const ProxyData data = drawn_data(plan, 2, {200, 143, 90}, seed);
    const int detail = seed % 3;
    const ProxyCut cut = preview_cut(data, plan, detail);
    INFO("seed " << seed);
    REQUIRE(cut.available);
    double mean = 0;
    for (int l = 0; l < 6; ++l) {
      INFO("layer " << l);
      const LayerChoice& choice = plan.of(Phase::prefill)[l];
      double of_layer = 0;
      for (int c = 0; c < 3; ++c) {
        const ProxyCase& each = data.cases[c];
        double evicted = 0;
        std::vector<std::vector<int>> expected;
        for (int head = 0; head < 2 && choice.policy != "full" && *choice.budget < each.tokens;
             ++head) {
          expected.push_back(kept_positions(*each.layers[l], head, choice));
          for (int i = 0; i < each.tokens; ++i) {
            const auto& kept = expected.back();
            const bool is_kept = std::find(kept.begin(), kept.end(), i) != kept.end();
            if (!is_kept) evicted += (*each.mass[l])[head * each.tokens + i];
          }
        }
        of_layer += (1 - evicted / 2) / 3;
        if (c == detail) REQUIRE(cut.kept[l] == expected);
      }
      REQUIRE(cut.by_layer[l] == Approx(of_layer).margin(1e-6));
      mean += of_layer / 6;
    }
    REQUIRE(cut.kept_mass == Approx(mean).margin(1e-6));
  }
}

TEST_CASE("a layer that keeps every token keeps all mass and lists no positions") {
  const Plan plan =
      plan_of({choice_of("full", 0), choice_of("knorm", 90), choice_of("knorm", 5000)});
  const ProxyCut cut = preview_cut(drawn_data(plan, 2, {90}, 1), plan, 0);
  REQUIRE(cut.available);
  CHECK(cut.kept_mass == Approx(1));
  for (const auto& layer : cut.kept) CHECK(layer.empty());
}

TEST_CASE("a plan whose scores are not stored has no preview") {
  const Plan plan = plan_of({choice_of("snapkv", 20), choice_of("full", 0)});
  const ProxyData data = drawn_data(plan, 2, {90}, 1);
  REQUIRE(preview_cut(data, plan, 0).available);

  Plan other = plan;
  other.of(Phase::prefill)[0].policy = "h2o";
  CHECK_FALSE(preview_cut(data, other, 0).available);
  other = plan;
  other.of(Phase::prefill)[0].params["window"] = 9.0;
  CHECK_FALSE(preview_cut(data, other, 0).available);
  other = plan;
  other.of(Phase::prefill)[1] = choice_of("knorm", 20);
  CHECK_FALSE(preview_cut(data, other, 0).available);
  other = plan;
  other.query = QueryVisibility::aware;
  CHECK_FALSE(preview_cut(data, other, 0).available);
  other = plan;
  other.of(Phase::prefill).pop_back();
  CHECK_FALSE(preview_cut(data, other, 0).available);
  CHECK_FALSE(preview_cut(ProxyData{}, plan, 0).available);
  CHECK_FALSE(preview_cut(ProxyData{}, Plan{}, 0).available);

  ProxyData hole = data;
  hole.cases[0].layers[0] = nullptr;
  CHECK_FALSE(preview_cut(hole, plan, 0).available);
}

TEST_CASE("budgets, names and parameters written out at their default do not need new scores") {
  const Plan plan = plan_of({choice_of("snapkv", 20), choice_of("knorm", 30)});
  const ProxyData data = drawn_data(plan, 2, {90}, 1);
  Plan other = plan;
  other.name = "another";
  other.of(Phase::prefill)[0].params["window"] = 8.0;
  other.of(Phase::prefill)[0].budget = 40;
  other.of(Phase::prefill)[1] = choice_of("full", 0);  // needs no scores
  const ProxyCut before = preview_cut(data, plan, 0), after = preview_cut(data, other, 0);
  REQUIRE(after.available);
  CHECK(after.by_layer[0] > before.by_layer[0]);
  CHECK(after.by_layer[1] == 1);
}

TEST_CASE("a case outside the set gives the numbers without positions") {
  const Plan plan = plan_of({choice_of("knorm", 20)});
  const ProxyData data = drawn_data(plan, 2, {90}, 1);
  const ProxyCut cut = preview_cut(data, plan, -1);
  CHECK(cut.available);
  CHECK(cut.kept_mass == preview_cut(data, plan, 0).kept_mass);
  REQUIRE(cut.kept.size() == 1);
  CHECK(cut.kept[0].empty());
}

TEST_CASE("a preview of 16 cases of 1024 tokens takes under 5 ms", "[.bench]") {
  const Plan plan = plan_of(std::vector<LayerChoice>(6, choice_of("snapkv", 128)));
  const ProxyData data = drawn_data(plan, 2, std::vector<int>(16, 1024), 1);
  std::vector<double> ms;
  for (int i = 0; i < 200; ++i) {
    const std::clock_t start = std::clock();  // processor time: other programs do not count
    CHECK(preview_cut(data, plan, 0).available);
    ms.push_back(1000.0 * (std::clock() - start) / CLOCKS_PER_SEC);
  }
  std::sort(ms.begin(), ms.end());
  WARN("median " << ms[100] << " ms, 95th percentile " << ms[190] << " ms, least " << ms[0]
                 << " ms");
  CHECK(ms[100] < 5);
}

TEST_CASE("scores of another parameter of the inner policy are not taken for those of the plan") {
  const Plan plan = plan_of({choice_of("criticalkv", 8, {{"window", 4.0}})});
  const ProxyData data = drawn_data(plan, 2, {40}, 1);
  CHECK(preview_cut(data, plan, 0).available);
  Plan other = plan;
  other.of(Phase::prefill)[0].params["window"] = 6.0;
  CHECK_FALSE(preview_cut(data, other, 0).available);
}

TEST_CASE("a ragged policy whose file is gone gives no preview instead of an error") {
  const Plan plan = plan_of({choice_of("duo", 8, {{"file", std::string("/nonexistent.json")}})});
  const ProxyData data = drawn_data(plan, 2, {40}, 3);
  CHECK_FALSE(preview_cut(data, plan, 0).available);
}
