#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "core/cache/engine.h"
#include "tests/support/goldens.h"

using namespace polykv;

namespace {

struct Press {
  const char* reference;  // name in the fixtures
  const char* policy;
  Params params;
};

const std::vector<Press>& presses() {
  static const std::vector<Press> rows = {
      {"snapkv_w8_k5", "snapkv", {{"window", 8.0}, {"kernel", 5.0}}},
      {"snapkv_w16_k7", "snapkv", {{"window", 16.0}, {"kernel", 7.0}}},
      {"tova", "tova", {}},
      {"knorm", "knorm", {}},
      {"streaming_s4", "streaming_llm", {{"sink", 4.0}}},
      {"observed", "h2o", {{"normalise", true}, {"recent", 0.0}}}};
  return rows;
}

Plan plan_of(const Press& press, int budget, int layers) {
  Plan plan = uniform_plan(press.policy, budget, layers, QueryVisibility::aware);
  for (LayerChoice& choice : plan.of(Phase::prefill)) choice.params = press.params;
  return plan;
}

// Equal, or different only where a score ties with the one on the cut (fixtures: e = 2e-5 |t|).
bool same_outside_ties(const std::vector<int>& got, std::vector<int> want,
                       const std::vector<float>* scores) {
  std::sort(want.begin(), want.end());
  if (got == want) return true;
  if (!scores || got.size() != want.size()) return false;
  std::vector<float> order = *scores;
  std::sort(order.rbegin(), order.rend());
  const float t = order[want.size() - 1], e = 2e-5f * std::abs(t);
  const std::set<int> kept(got.begin(), got.end());
  for (std::size_t i = 0; i < scores->size(); ++i) {
    const bool in = kept.count(static_cast<int>(i)) != 0;
    if ((*scores)[i] > t + e && !in) return false;
    if ((*scores)[i] < t - e && in) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("kept positions equal the reference at every budget outside exact ties") {
  for (const std::string name : {"llama_gqa", "qwen2_tied", "qwen3_qknorm"}) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    const int layers = model->shape().layers, heads = model->shape().kv_heads;
    int compared = 0;
    for (const Press& press : presses()) {
      for (const int budget : {16, 48, 128}) {
        const std::string key = std::string(press.reference) + ".C" + std::to_string(budget);
        if (!reference.has(key + ".kept")) continue;
        GenerateRequest request;
        request.context = reference.ints("input_ids");
        request.plan = plan_of(press, budget, layers);
        const KeepResult result = keep(*model, request);
        const std::vector<int> want = reference.ints(key + ".kept");
        std::vector<float> all;
        const std::string score_key = std::string(press.reference) + ".scores";
        if (reference.has(score_key)) all = reference.floats(score_key);
        const std::size_t n = request.context.size();
        for (int l = 0; l < layers; ++l) {
          for (int head = 0; head < heads; ++head) {
            INFO(name << " " << key << " layer " << l << " head " << head);
            const int row = l * heads + head;
            std::vector<float> scores;
            if (!all.empty()) scores.assign(all.begin() + row * n, all.begin() + (row + 1) * n);
            const auto first = want.begin() + row * budget;
            CHECK(same_outside_ties(result.layers[l].positions[head],
                                    std::vector<int>(first, first + budget),
                                    scores.empty() ? nullptr : &scores));
            ++compared;
          }
        }
      }
    }
    CHECK(compared >= 5 * 3 * layers * heads);
  }
}

TEST_CASE("scores equal the reference within 5e-5 of the row's largest") {
  for (const std::string name : {"llama_gqa", "qwen2_tied", "qwen3_qknorm"}) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    for (const Press& press : presses()) {
      const std::string key = std::string(press.reference) + ".scores";
      if (!reference.has(key)) continue;
      GenerateRequest request;
      request.context = reference.ints("input_ids");
      request.plan = plan_of(press, 48, model->shape().layers);
      const KeepResult result = keep(*model, request);
      const std::vector<float> want = reference.floats(key);
      const std::size_t n = request.context.size();
      for (std::size_t l = 0; l < result.layers.size(); ++l) {
        const std::vector<float>& got = result.layers[l].scores;
        REQUIRE(got.size() * result.layers.size() == want.size());
        for (std::size_t row = 0; row < got.size() / n; ++row) {
          double largest = 0, gap = 0;
          for (std::size_t i = 0; i < n; ++i) {
            const double g = got[row * n + i], w = want[l * got.size() + row * n + i];
            if (std::isinf(g)) continue;  // protected: forced in the reference as well
            largest = std::max(largest, std::abs(w));
            gap = std::max(gap, std::abs(g - w));
          }
          INFO(name << " " << key << " layer " << l << " row " << row);
          CHECK(gap <= 5e-5 * largest);
        }
      }
    }
  }
}

TEST_CASE("greedy tokens after eviction equal the reference") {
  int compared = 0;
  for (const std::string name : {"llama_gqa", "qwen2_tied", "qwen3_qknorm"}) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    for (const Press& press : presses()) {
      for (const int budget : {16, 48, 128}) {
        const std::string key =
            std::string(press.reference) + ".C" + std::to_string(budget) + ".greedy";
        if (!reference.has(key)) continue;
        GenerateRequest request;
        request.context = reference.ints("input_ids");
        request.plan = plan_of(press, budget, model->shape().layers);
        request.max_new = 16;
        request.stop_at_eos = false;
        INFO(name << " " << key);
        CHECK(generate(*model, request).ids == reference.ints(key));
        ++compared;
      }
    }
  }
  CHECK(compared >= 15);
}
