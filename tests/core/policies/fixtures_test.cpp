#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <set>

#include "core/cache/engine.h"
#include "core/policies/policy.h"
#include "tests/core/policies/layer_probe.h"
#include "tests/support/goldens.h"

using namespace polykv;

namespace {

constexpr int kBudgets[] = {16, 48, 68, 116, 128};  // lagkv has all, the others three

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
      {"observed", "h2o", {{"normalise", true}, {"recent", 0.0}}},
      {"keydiff", "keydiff", {}},
      {"expected_f64", "expected_attention", {{"future", 64.0}}},
      {"expected_f64_nocov", "expected_attention", {{"future", 64.0}, {"covariance", false}}},
      {"expected_f64_novnorm", "expected_attention", {{"future", 64.0}, {"vnorm", false}}},
      {"expected_f64_nocov_novnorm",
       "expected_attention",
       {{"future", 64.0}, {"covariance", false}, {"vnorm", false}}},
      {"expected_f64_eps", "expected_attention", {{"future", 64.0}, {"eps", 0.01}}},
      {"lagkv_s4_l32", "lagkv", {{"sink", 4.0}, {"lag", 32.0}}},
      {"critical_snapkv_w8_k5",
       "criticalkv",
       {{"inner", std::string("snapkv")}, {"window", 8.0}, {"kernel", 5.0}}}};
  return rows;
}

Plan plan_of(const Press& press, int budget, int layers) {
  Plan plan = uniform_plan(press.policy, budget, layers, QueryVisibility::aware);
  for (LayerChoice& choice : plan.of(Phase::prefill)) choice.params = press.params;
  return plan;
}

const std::string kModels[] = {"llama_gqa", "qwen2_tied", "qwen3_qknorm"};

struct ScoreTensor {
  Press press;
  int budget;
  std::string key;
};

// Scores of a press, once for all budgets or one tensor for each.
std::vector<ScoreTensor> score_tensors(const GoldenFile& reference) {
  std::vector<ScoreTensor> found;
  for (const Press& press : presses()) {
    const std::string name = press.reference;
    if (reference.has(name + ".scores")) found.push_back({press, 128, name + ".scores"});
    for (const int budget : kBudgets) {
      const std::string key = name + ".C" + std::to_string(budget) + ".scores";
      if (reference.has(key)) found.push_back({press, budget, key});
    }
  }
  return found;
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
  for (const std::string& name : kModels) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    const int layers = model->shape().layers, heads = model->shape().kv_heads;
    int compared = 0;
    for (const Press& press : presses()) {
      for (const int budget : kBudgets) {
        const std::string key = std::string(press.reference) + ".C" + std::to_string(budget);
        if (!reference.has(key + ".kept")) continue;
        GenerateRequest request;
        request.context = reference.ints("input_ids");
        request.plan = plan_of(press, budget, layers);
        const KeepResult result = keep(*model, request);
        const std::vector<int> want = reference.ints(key + ".kept");
        std::vector<float> all;
        for (const std::string& scores :
             {key + ".scores", press.reference + std::string(".scores")}) {
          if (all.empty() && reference.has(scores)) all = reference.floats(scores);
        }
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
    CHECK(compared >= 14 * 3 * layers * heads);
  }
}

TEST_CASE("scores equal the reference within 5e-5 of the row's largest") {
  for (const std::string& name : kModels) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    int compared = 0;
    for (const auto& [press, budget, key] : score_tensors(reference)) {
      GenerateRequest request;
      request.context = reference.ints("input_ids");
      request.plan = plan_of(press, budget, model->shape().layers);
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
            if (w > 1e30) {               // criticalkv's first stage
              CHECK(g > 1e30);
              continue;
            }
            largest = std::max(largest, std::abs(w));
            gap = std::max(gap, std::abs(g - w));
          }
          INFO(name << " " << key << " layer " << l << " row " << row);
          CHECK(gap <= 5e-5 * largest);
          ++compared;
        }
      }
    }
    CHECK(compared == 15 * model->shape().layers * model->shape().kv_heads);
  }
}

TEST_CASE("greedy tokens after eviction equal the reference") {
  int compared = 0;
  for (const std::string& name : kModels) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    for (const Press& press : presses()) {
      for (const int budget : kBudgets) {
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
  CHECK(compared == 41);
}

TEST_CASE("chunkkv keeps the reference's whole chunks when the budget is what they hold") {
  const Press press = {
      "chunkkv_snapkv_w8_k5_c8", "chunkkv", {{"inner", std::string("snapkv")}, {"chunk", 8.0}}};
  for (const std::string& name : kModels) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    const int layers = model->shape().layers;
    const std::string start = std::string(press.reference) + ".";
    for (const int budget : {16, 48, 128}) {
      const std::string key = start + "C" + std::to_string(budget);
      GenerateRequest request;
      request.context = reference.ints("input_ids");
      const int n = static_cast<int>(request.context.size());
      const std::vector<float> chunk_scores = reference.floats(start + "chunk_scores");
      const int held = static_cast<int>(reference.ints(key + ".layer0.kept").size());
      request.plan = plan_of(press, held, layers);
      const KeepResult result = keep(*model, request);
      for (int l = 0; l < layers; ++l) {
        std::vector<int> want = reference.ints(key + ".layer" + std::to_string(l) + ".kept");
        std::sort(want.begin(), want.end());
        INFO(name << " " << key << " layer " << l);
        for (const std::vector<int>& got : result.layers[l].positions) CHECK(got == want);
        for (int chunk = 0; 8 * chunk + 8 <= n - 8; ++chunk) {  // not those of the window
          const float w = chunk_scores[l * chunk_scores.size() / layers + chunk];
          for (int t = 8 * chunk; t < 8 * chunk + 8; ++t) {
            CHECK(std::abs(result.layers[l].scores[t] - w) <= 1e-4 * w);
          }
        }
      }
      if (!reference.has(key + ".greedy")) continue;
      request.max_new = 16;
      request.stop_at_eos = false;
      CHECK(generate(*model, request).ids == reference.ints(key + ".greedy"));
      // A budget between two numbers of whole chunks keeps the start of the next chunk beside them.
      request.plan = plan_of(press, held + 3, layers);
      const KeepResult more = keep(*model, request);
      for (int l = 0; l < layers; ++l) {
        std::vector<int> added;
        std::set_difference(more.layers[l].positions[0].begin(), more.layers[l].positions[0].end(),
                            result.layers[l].positions[0].begin(),
                            result.layers[l].positions[0].end(), std::back_inserter(added));
        REQUIRE(added.size() == 3);
        CHECK(added[0] % 8 == 0);
        CHECK(added[2] == added[0] + 2);
      }
    }
  }
}

TEST_CASE("pyramidkv keeps the reference's tokens under the reference's layer budgets") {
  int different = 0;
  for (const std::string& name : kModels) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("policies/" + name + ".safetensors"));
    const int layers = model->shape().layers, heads = model->shape().kv_heads;
    for (const std::string start : {"pyramidkv_w8_k5_b20.C", "pyramidkv_w8_k5_b4.C"}) {
      for (const int budget : {16, 48, 128}) {
        const std::string key = start + std::to_string(budget);
        GenerateRequest request;
        request.context = reference.ints("input_ids");
        request.plan = uniform_plan("pyramidkv", budget, layers, QueryVisibility::aware);
        std::vector<std::vector<int>> want;
        for (int l = 0; l < layers; ++l) {
          want.push_back(reference.ints(key + ".layer" + std::to_string(l) + ".kept"));
          const int count = static_cast<int>(want[l].size()) / heads;
          different += count != budget;
          request.plan.of(Phase::prefill)[l].budget = count;
        }
        const KeepResult result = keep(*model, request);
        const std::size_t n = request.context.size();
        for (int l = 0; l < layers; ++l) {
          for (int h = 0; h < heads; ++h) {
            const std::size_t count = want[l].size() / heads;
            INFO(name << " " << key << " layer " << l << " head " << h);
            const auto scores =
                result.layers[l].scores.begin() + static_cast<std::ptrdiff_t>(h * n);
            std::vector<float> own(scores, scores + static_cast<std::ptrdiff_t>(n));
            for (std::size_t t = n - 8; t < n; ++t) own[t] = 2;
            CHECK(same_outside_ties(
                result.layers[l].positions[h],
                std::vector<int>(want[l].begin() + h * count, want[l].begin() + (h + 1) * count),
                &own));
          }
        }
        if (!reference.has(key + ".greedy")) continue;
        request.max_new = 16;
        request.stop_at_eos = false;
        CHECK(generate(*model, request).ids == reference.ints(key + ".greedy"));
      }
    }
  }
  CHECK(different > 10);
}

TEST_CASE("compresskv scores and keeps what the reference does with its heads") {
  const auto model = Model::open(golden("models/llama_gqa"));
  const GoldenFile reference(golden("compresskv/selection.safetensors"));
  const std::vector<int> heads = reference.ints("heads");
  const std::vector<float> want = reference.floats("scores");
  const std::vector<int> ids = reference.ints("input_ids");
  const PromptProbe probe(*model, ids);
  const Policy& policy = *find_policy("compresskv");
  const int layers = model->shape().layers, n = static_cast<int>(ids.size());
  const int group = model->shape().query_heads / model->shape().kv_heads;
  REQUIRE(group == 4);
  for (int l = 0; l < layers; ++l) {
    const std::vector<int> own(heads.begin() + 4 * l, heads.begin() + 4 * l + 4);
    const LayerScores scores = probe.scores(l, policy, {}, 48, own);
    REQUIRE(scores.rows == 1);
    double largest = 0;
    for (int t = 0; t < n - 8; ++t) largest = std::max<double>(largest, want[l * (n - 8) + t]);
    for (int t = 0; t < n - 8; ++t) {
      CHECK(std::abs(scores.scores[t] - want[l * (n - 8) + t]) <= 5e-5 * largest);
    }
    const auto check_kept = [&](const std::vector<int>& kept) {
      const LayerChoice choice{
          .policy = "compresskv", .budget = static_cast<int>(kept.size()), .params = {}};
      const Kept got = keep_rows(policy, choice, scores, model->shape().kv_heads);
      for (int h = 0; h < model->shape().kv_heads; ++h) {
        INFO("layer " << l << " budget " << kept.size() << " head " << h);
        CHECK(std::equal(got.head(h).begin(), got.head(h).end(), kept.begin(), kept.end()));
      }
    };
    for (const int budget : {16, 48, 128}) {
      std::vector<int> kept = reference.ints("C" + std::to_string(budget) + ".kept");
      kept = {kept.begin() + l * budget, kept.begin() + (l + 1) * budget};
      std::sort(kept.begin(), kept.end());
      check_kept(kept);
    }
    std::vector<int> kept = reference.ints("adaptive64.layer" + std::to_string(l) + ".kept");
    std::sort(kept.begin(), kept.end());
    check_kept(kept);
  }
}
