#include "core/plan/kvpress.h"

#include <catch2/catch.hpp>
#include <set>

#include "core/policies/policy.h"

using namespace polykv;
using Catch::Contains;

namespace {

const KvpressModel kModel = {.ranked_heads = std::vector<std::vector<int>>(3, {3, 1, 2, 0, 4}),
                             .windows = {}};

Plan plan_of(const LayerChoice& choice, int layers = 1) {
  Plan plan;
  plan.of(Phase::prefill).assign(layers, choice);
  plan.of(Phase::decode).assign(layers, LayerChoice{});
  return plan;
}

std::string press_of(const LayerChoice& choice) {
  const KvpressSnippet snippet = kvpress_snippet(plan_of(choice), kModel);
  REQUIRE(snippet.refused.empty());
  return snippet.presses.at(0);
}

std::string reason_of(const LayerChoice& choice, const KvpressModel& model = kModel) {
  const KvpressSnippet snippet = kvpress_snippet(plan_of(choice), model);
  CHECK(snippet.text.empty());
  CHECK(snippet.presses.empty());
  REQUIRE(snippet.refused.size() == 1);
  return refusal_text(snippet.refused[0]);
}

}  // namespace

TEST_CASE("every policy goes to kvpress or is refused by its name and a reason of its row") {
  const std::set<std::string> mapped = {
      "full",      "streaming_llm",      "h2o",     "tova",      "snapkv",
      "pyramidkv", "compresskv",         "knorm",   "keydiff",   "lagkv",
      "adakv",     "expected_attention", "chunkkv", "criticalkv"};
  for (const Policy& policy : policies()) {
    if ((policy.phases & kPrefill) == 0) continue;
    INFO(policy.id);
    LayerChoice choice{policy.id, 48, {}};
    if (choice.policy == "full") choice.budget.reset();
    const KvpressSnippet snippet = kvpress_snippet(plan_of(choice), kModel);
    CHECK(snippet.refused.empty() == (mapped.count(policy.id) == 1));
    CHECK(snippet.text.empty() != snippet.refused.empty());
    for (const KvpressRefusal& refusal : snippet.refused) {
      CHECK(refusal.what == "policy '" + choice.policy + "'");
      CHECK(refusal.reason.size() > 20);
    }
  }
}

TEST_CASE("a layer's press carries the budget, the parameters and what the policy protects") {
  CHECK(press_of({"full", {}, {}}) == "None");
  CHECK(press_of({"snapkv", 48, {{"window", 16.0}, {"kernel", 7.0}}}) ==
        "Layer(48, SnapKVPress(window_size=16, kernel_size=7), recent=16)");
  CHECK(press_of({"pyramidkv", 20, {{"beta", 4.0}}}) ==
        "Layer(20, SnapKVPress(window_size=8, kernel_size=5), recent=8)");
  CHECK(press_of({"streaming_llm", 30, {}}) == "Layer(30, StreamingLLMPress(n_sink=4), sink=4)");
  CHECK(press_of({"tova", 30, {}}) == "Layer(30, TOVAPress(), recent=1)");
  CHECK(press_of({"h2o", 31, {}}) == "Layer(31, H2OPress(normalise=False), recent=15)");
  CHECK(press_of({"lagkv", 64, {{"lag", 32.0}}}) ==
        "Layer(64, LagKVPress(n_sink=4, lag_size=32), sink=4, "
        "recent=partial(lag_tail, sink=4, lag=32))");
  CHECK(press_of({"compresskv", 64, {{"heads", 2.0}}}) ==
        "Layer(64, CompressKVPress(window_size=8, kernel_size=5, heads=(3,1,)), recent=8)");
}

TEST_CASE("a parameter that outer and inner policy share is the outer one's") {
  CHECK(press_of({"criticalkv",
                  64,
                  {{"inner", std::string("expected_attention")},
                   {"eps", 0.001},
                   {"vnorm", false},
                   {"future", 64.0}}}) ==
        "Layer(64, ExpectedAttentionPress(n_future_positions=64, n_sink=4, use_covariance=True, "
        "use_vnorm=False, epsilon=0), sink=4, refine=partial(two_stages, eps=0.001, first=0.5))");
  CHECK(press_of({"adakv", 64, {{"alpha", 0.25}, {"window", 4.0}}}) ==
        "Layer(64, SnapKVPress(window_size=4, kernel_size=5), recent=4, alpha=0.25)");
}

TEST_CASE("what kvpress computes otherwise is refused with layers and reason") {
  CHECK_THAT(reason_of({"snapkv", 48, {{"pool", std::string("max")}}}),
             Contains("policy 'snapkv' (layer 0): SnapKVPress pools by the average"));
  CHECK_THAT(reason_of({"snapkv", 48, {{"kernel", 4.0}}}), Contains("odd kernels"));
  CHECK_THAT(reason_of({"chunkkv", 48, {{"inner", std::string("random")}}}),
             Contains("policy 'chunkkv' (layer 0): its inner policy 'random': kvpress draws"));
  CHECK_THAT(reason_of({"compresskv", 48, {}}, {}), Contains("retrieval heads are not known"));

  Plan plan = plan_of({"random", 8, {}}, 5);
  plan.of(Phase::prefill)[2] = {"knorm", 8, {}};
  const KvpressSnippet some = kvpress_snippet(plan, kModel);
  REQUIRE(some.refused.size() == 1);
  CHECK_THAT(refusal_text(some.refused[0]), Contains("(layers 0-1, 3-4)"));
}

TEST_CASE("cuts while decoding and layers with a window are refused") {
  Plan plan = plan_of({"knorm", 8, {}}, 3);
  plan.of(Phase::decode)[1] = {"tova", 8, {}};
  const KvpressSnippet decode = kvpress_snippet(plan, kModel);
  REQUIRE(decode.refused.size() == 1);
  CHECK_THAT(refusal_text(decode.refused[0]), Contains("decode policy 'tova' (layer 1): "));

  KvpressModel windowed = kModel;
  windowed.windows = {0, 32, 32};
  const KvpressSnippet window = kvpress_snippet(plan_of({"knorm", 8, {}}, 3), windowed);
  REQUIRE(window.refused.size() == 1);
  CHECK_THAT(refusal_text(window.refused[0]), Contains("the sliding window (layers 1-2): "));
}

TEST_CASE("a plan that reads attention asks for eager, and cannot mask beside it") {
  Plan plan = plan_of({"h2o", 8, {}}, 2);
  const KvpressSnippet eager = kvpress_snippet(plan, kModel);
  CHECK(eager.eager);
  CHECK_THAT(eager.text, Contains("attn_implementation=\"eager\""));
  plan.of(Phase::prefill)[1] = {"adakv", 8, {}};
  const KvpressSnippet both = kvpress_snippet(plan, kModel);
  REQUIRE(both.refused.size() == 1);
  CHECK_THAT(refusal_text(both.refused[0]), Contains("policy 'adakv' beside 'h2o' (layer 1): "));
  CHECK_FALSE(kvpress_snippet(plan_of({"tova", 8, {}}), kModel).eager);
}

TEST_CASE("the file imports and defines what its layers name, and nothing else") {
  Plan plan = plan_of({"knorm", 8, {}}, 2);
  plan.of(Phase::prefill)[1].budget = 9;
  plan.name = "a \"\"\"plan\nimport os";
  const std::string text = kvpress_snippet(plan, kModel).text;
  CHECK_THAT(text, Contains("Layer(8, KnormPress()),  # 0\n        Layer(9, KnormPress()),  # 1"));
  CHECK_THAT(text, Contains("    KnormPress,\n") && !Contains("SnapKVPress"));
  CHECK_THAT(text, !Contains("chunk_means") && !Contains("partial") && !Contains("\nimport os"));
  CHECK_THAT(text, Catch::StartsWith("# PolyKV Studio, plan \"a \\\"\\\"\\\"plan\\nimport os\"\n"));
  CHECK_THAT(text, Contains("a question is read after it"));
  plan.query = QueryVisibility::aware;
  CHECK_THAT(kvpress_snippet(plan, kModel).text, Contains("context and question as one context"));
}
