#include <algorithm>
#include <numeric>

#include "core/cache/engine.h"
#include "core/cache/kv_cache.h"
#include "core/files.h"
#include "core/model/decoder.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"
#undef CHECK  // torch has a macro of this name, which would abort the program
#include <catch2/catch.hpp>

// One policy and budget per layer, at the prompt and while decoding, against kvpress.
using namespace polykv;

namespace {

struct Press {
  const char* reference;
  const char* policy;
  Params params;
};
const Press kPresses[] = {{"snapkv_w8_k5", "snapkv", {{"window", 8.0}, {"kernel", 5.0}}},
                          {"snapkv_w16_k7", "snapkv", {{"window", 16.0}, {"kernel", 7.0}}},
                          {"tova", "tova", {}},
                          {"keydiff", "keydiff", {}},
                          {"knorm", "knorm", {}},
                          {"streaming_s4", "streaming_llm", {{"sink", 4.0}}},
                          {"expected_f64", "expected_attention", {{"future", 64.0}}}};

LayerChoice choice_of(const std::string& press, int budget) {
  if (press == "full") return {};
  for (const Press& row : kPresses) {
    if (press == row.reference) return {row.policy, budget, row.params};
  }
  throw std::logic_error("no policy for " + press);
}

const GoldenFile& router() {
  static const GoldenFile file(golden("router/router.safetensors"));
  return file;
}
const Json& rows() {
  static const Json json = read_json_file(golden("router/router.json"));
  return json;
}

Plan plan_of(const std::string& name, QueryVisibility query) {
  Plan plan;
  plan.query = query;
  for (const Json& row : rows()[name]["plan"]) {
    plan.of(Phase::prefill).push_back(choice_of(row["press"], row["keep"]));
  }
  plan.of(Phase::decode).assign(plan.of(Phase::prefill).size(), {});
  return plan;
}

std::shared_ptr<const Model> model_of(const std::string& name) {
  return Model::open(golden("models/" + name.substr(0, name.find('.'))));
}

}  // namespace

TEST_CASE("a mixed plan keeps the reference's tokens and answers as it does in both visibilities") {
  for (const std::string name : {"llama_gqa.A", "llama_gqa.B", "qwen3_qknorm.A"}) {
    const auto model = model_of(name);
    const std::string base = name.substr(0, name.find('.'));
    GenerateRequest request;
    request.context = router().ints(base + ".input_ids");
    request.max_new = 16;
    request.stop_at_eos = false;
    INFO(name);
    request.plan = plan_of(name, QueryVisibility::aware);
    const KeepResult kept = keep(*model, request);
    for (std::size_t l = 0; l < kept.layers.size(); ++l) {
      const std::vector<int> want = router().ints(name + ".layer" + std::to_string(l) + ".kept");
      std::vector<int> got;
      for (const auto& head : kept.layers[l].positions) {
        got.insert(got.end(), head.begin(), head.end());
      }
      CHECK(got == want);
    }
    CHECK(generate(*model, request).ids == router().ints(name + ".greedy"));
    request.plan.query = QueryVisibility::agnostic;
    request.question = router().ints(base + ".question_ids");
    CHECK(generate(*model, request).ids == router().ints(name + ".agnostic.greedy"));
  }
}

TEST_CASE("eviction while decoding holds as many rows and answers as the reference does") {
  const std::string name = "llama_gqa.A+decode";
  const auto model = model_of(name);
  Plan plan = plan_of("llama_gqa.A", QueryVisibility::aware);
  for (std::size_t l = 0; l < 4; ++l) {
    const Json& row = rows()[name]["decode"][l];
    if (row.is_null()) continue;
    LayerChoice& choice = plan.of(Phase::decode)[l];
    choice = choice_of(row["press"], row["target"]);
    choice.params["every"] = row["every"].get<double>();
  }
  const at::InferenceMode guard;
  KvCache cache(*model, plan, 24);
  at::Tensor out = cache.prefill(router().ints("llama_gqa.input_ids"));
  std::vector<int> ids;
  at::Tensor logits;
  for (int i = 0; i < 24; ++i) {
    for (int l = 0; l < 4; ++l) {
      INFO("token " << i << " layer " << l);
      CHECK(static_cast<int>(cache.positions(l, 0).size()) ==
            rows()[name]["cache_lengths_before_each_token"][i][l].get<int>());
    }
    logits = model->decoder().logits(out.narrow(0, out.size(0) - 1, 1)).contiguous();
    ids.push_back(static_cast<int>(logits.argmax(-1).item<std::int64_t>()));
    if (i < 23) out = cache.step(ids.back());
  }
  CHECK(ids == router().ints(name + ".greedy"));
  const std::vector<float> last(logits.data_ptr<float>(),
                                logits.data_ptr<float>() + logits.numel());
  CHECK(largest_difference(last, router().floats(name + ".last_logits")) <= 2e-4);
}

TEST_CASE("duo holds kv_heads times its cap while decoding, as a plain loop over positions says") {
  const auto model = model_of("llama_gqa");
  const int layers = model->shape().layers, heads = model->shape().kv_heads, cap = 14;
  const int sink = 2, recent = 5;
  const ScratchFolder folder;
  Json gates = Json::array();
  for (int l = 0; l < layers; ++l) {
    gates.push_back(Json::array());
    for (int h = 0; h < heads; ++h) gates[l].push_back((3 * l + 2 * h) % 5 * 0.2);
  }
  const std::string file = folder.write(
      "duo.json",
      Json({{"full_attention_heads", gates}, {"sink_size", sink}, {"recent_size", recent}}).dump());
  Plan plan;
  plan.of(Phase::prefill).assign(layers, {"duo", 11, {{"file", file}}});
  plan.of(Phase::prefill)[1] = {};  // heads of one length until the first decode cut
  plan.of(Phase::decode).assign(layers, {"duo", cap, {{"file", file}}});
  plan.of(Phase::decode)[2].params["every"] = 3.0;
  const at::InferenceMode guard;
  KvCache cache(*model, plan, 24);
  std::vector<int> ids = router().ints("llama_gqa.input_ids");
  ids.resize(20);
  cache.prefill(ids);
  std::vector<std::vector<std::vector<int>>> held(layers);  // [layer][kv head] positions
  const auto now = [&](int l, int h) {
    const auto& positions = cache.positions(l, h);
    return std::vector<int>(positions.begin(), positions.end());
  };
  for (int l = 0; l < layers; ++l) {
    for (int h = 0; h < heads; ++h) held[l].push_back(now(l, h));
  }
  bool ragged = false;
  for (int fed = 1; fed <= 20; ++fed) {
    cache.step(fed % 7);
    for (int l = 0; l < layers; ++l) {
      int all = 0;
      for (auto& head : held[l]) {
        head.push_back(19 + fed);
        all += static_cast<int>(head.size());
      }
      std::vector<int> order(heads), counts(heads);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](int a, int b) { return gates[l][a] > gates[l][b]; });
      int rest = heads * cap;
      for (int h = 0; h < heads; ++h) {
        counts[h] = std::min<int>(sink + recent, static_cast<int>(held[l][h].size()));
        rest -= counts[h];
      }
      for (const int h : order) {
        const int more = std::min<int>(rest, static_cast<int>(held[l][h].size()) - counts[h]);
        counts[h] += more;
        rest -= more;
      }
      const bool cuts = all > heads * cap && fed % (l == 2 ? 3 : 1) == 0;
      for (int h = 0; h < heads && cuts; ++h) {
        const auto first = held[l][h].begin() + sink;  // all heads hold the sinks
        held[l][h].erase(first, first + (static_cast<int>(held[l][h].size()) - counts[h]));
      }
      for (int h = 0; h < heads; ++h) {
        INFO("token " << fed << " layer " << l << " head " << h);
        REQUIRE(now(l, h) == held[l][h]);
        ragged |= held[l][h].size() != held[l][0].size();
      }
    }
  }
  REQUIRE(ragged);
}
