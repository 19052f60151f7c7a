#include "core/score/live_scorer.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "core/cache/engine.h"
#include "core/error.h"
#include "core/files.h"
#include "core/policies/policy.h"
#include "core/probe/needle.h"
#include "tests/support/embedded.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

Plan start_plan() {
  return uniform_plan("snapkv", 40, tiny()->shape().layers, QueryVisibility::agnostic);
}

// From scratch in two ways: a scorer that has never seen another plan, and the engine's own cache
// (prefill, cut, question and answer), whose matrices have other sizes and so other rounding: up to
// 1.7e-4 of logits of 16 was seen with AVX-512.
void check_against_scratch(LiveScorer& scorer, const Plan& plan, int case_index) {
  const std::vector<float> got = scorer.answer_logits(case_index);
  LiveScorer fresh(tiny());
  fresh.set_cases(scorer.cases());
  fresh.score(plan);
  REQUIRE(largest_difference(got, fresh.answer_logits(case_index)) <= 1e-6);
  REQUIRE(largest_difference(got, scorer.answer_logits_from_scratch(case_index, plan)) <= 5e-4);
}

}  // namespace

TEST_CASE("200 random edits each give the logits of a run from scratch") {
  LiveScorer scorer(tiny());
  std::vector<std::vector<Case>> sets = {short_cases(3), short_cases(1)};
  scorer.set_cases(sets[0]);
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % n); };
  std::vector<Policy> rows;
  for (const Policy& policy : policies()) {
    if (stands_alone(policy)) rows.push_back(policy);
  }
  Plan plan = start_plan();
  int cancelled = 0;
  for (int edit = 0; edit < 200; ++edit) {
    const int layer = below(tiny()->shape().layers);
    LayerChoice& choice = plan.of(Phase::prefill)[layer];
    switch (below(12)) {
      case 0:
        plan.query = plan.query == QueryVisibility::agnostic ? QueryVisibility::aware
                                                             : QueryVisibility::agnostic;
        break;
      case 1:
        scorer.set_cases(sets[below(2)]);
        break;
      case 2: {  // an edit that is cancelled half-way must leave nothing behind
        const int after = below(3) == 0 ? 0 : below(1500);
        CancelFlag cancel = after == 0;
        std::thread canceller([&] {
          std::this_thread::sleep_for(std::chrono::microseconds(after));
          cancel = true;
        });
        choice.budget = 1 + below(150);
        if (choice.policy == "full") choice.policy = "knorm";
        try {
          scorer.score(plan, &cancel);
        } catch (const Cancelled&) {
          ++cancelled;
        }
        canceller.join();
        break;
      }
      case 3:
      case 4:
      case 5: {
        const Policy& policy = rows[below(static_cast<int>(rows.size()))];
        choice = {policy.id, std::nullopt, {}};
        if (policy.score) choice.budget = 1 + below(180);
        break;
      }
      default:
        if (choice.policy == "full") choice.policy = "tova";
        choice.budget = 1 + below(180);
    }
    scorer.score(plan);
    const int shown = below(static_cast<int>(scorer.cases().size()));
    INFO("edit " << edit << " layer " << layer << " case " << shown);
    check_against_scratch(scorer, plan, shown);
  }
  CHECK(cancelled > 0);
}

TEST_CASE("a rescore starts at the first changed layer and not at all when nothing changed") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(2));
  Plan plan = start_plan();
  scorer.score(plan);
  CHECK(scorer.first_layer_run() == 0);
  scorer.score(plan);
  CHECK(scorer.first_layer_run() == tiny()->shape().layers);
  plan.of(Phase::prefill)[4].budget = 12;
  scorer.score(plan);
  CHECK(scorer.first_layer_run() == 4);
}

TEST_CASE("a plan that evicts while decoding scores what its answer logits from scratch say") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(3));
  std::mt19937 random(11);
  const auto below = [&](int n) { return static_cast<int>(random() % n); };
  std::vector<std::string> decoding;
  for (const Policy& policy : policies()) {
    if ((policy.phases & kDecode) && stands_alone(policy)) decoding.emplace_back(policy.id);
  }
  Plan plan = start_plan();
  for (int edit = 0; edit < 40; ++edit) {
    plan.query = below(3) == 0 ? QueryVisibility::aware : QueryVisibility::agnostic;
    LayerChoice& choice = plan.of(Phase::decode)[below(plan.layers())];
    choice = {decoding[below(static_cast<int>(decoding.size()))], std::nullopt, {}};
    if (find_policy(choice.policy)->score) choice.budget = 1 + below(60);
    plan.of(Phase::prefill)[below(plan.layers())].budget = 1 + below(100);
    scorer.score(plan);
    const int shown = below(3);
    INFO("edit " << edit << " case " << shown);
    CHECK(largest_difference(scorer.answer_logits(shown),
                             scorer.answer_logits_from_scratch(shown, plan)) <= 5e-4);
  }
}

TEST_CASE("the first answer token does not depend on a decode policy, later ones do") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(2));
  Plan plan = start_plan();
  scorer.score(plan);
  const std::vector<float> kept = scorer.answer_logits(0);
  plan.of(Phase::decode).assign(6, {"streaming_llm", 4, {}});
  scorer.score(plan);
  const std::vector<float> cut = scorer.answer_logits(0);
  const auto row = [&](const std::vector<float>& logits, int i) {
    const int vocab = tiny()->shape().vocab;
    return std::vector<float>(logits.begin() + i * vocab, logits.begin() + (i + 1) * vocab);
  };
  CHECK(largest_difference(row(kept, 0), row(cut, 0)) <= 1e-4);
  CHECK(largest_difference(row(kept, 1), row(cut, 1)) <= 1e-4);  // fed before the first cut
  CHECK(largest_difference(row(kept, 2), row(cut, 2)) > 1e-2);
}

TEST_CASE("recall, NLL, KL and top-1 agreement are what the logits say") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(4));
  const Plan full =
      uniform_plan("full", std::nullopt, tiny()->shape().layers, QueryVisibility::agnostic);
  Plan plan = start_plan();
  plan.of(Phase::prefill)[1].budget = 6;
  const ScoreRow row = scorer.score(plan);
  const int vocab = tiny()->shape().vocab;
  int right = 0, agree = 0, positions = 0;
  double nll_sum = 0, kl_sum = 0;
  for (int c = 0; c < 4; ++c) {
    const std::vector<float> logits = scorer.answer_logits_from_scratch(c, plan);
    const std::vector<float> ceiling = scorer.answer_logits_from_scratch(c, full);
    const std::vector<int>& gold = scorer.cases()[c].answer;
    bool all_right = true;
    double nll = 0, kl = 0;
    for (std::size_t i = 0; i < gold.size(); ++i, ++positions) {
      const float* p = logits.data() + i * vocab;
      const float* f = ceiling.data() + i * vocab;
      double p_sum = 0, f_sum = 0;
      int best = 0, full_best = 0;
      for (int v = 0; v < vocab; ++v) {
        p_sum += std::exp(double(p[v]));
        f_sum += std::exp(double(f[v]));
        if (p[v] > p[best]) best = v;
        if (f[v] > f[full_best]) full_best = v;
      }
      nll -= p[gold[i]] - std::log(p_sum);
      for (int v = 0; v < vocab; ++v) {
        const double log_f = f[v] - std::log(f_sum), log_p = p[v] - std::log(p_sum);
        kl += std::exp(log_f) * (log_f - log_p);
      }
      all_right = all_right && best == gold[i];
      agree += best == full_best;
    }
    right += all_right;
    nll_sum += nll / gold.size() / 4;
    kl_sum += kl / gold.size() / 4;
  }
  CHECK(row.recall.value == Approx(right / 4.0));
  CHECK(row.answer_nll.value == Approx(nll_sum).epsilon(1e-4));
  CHECK(row.kl_to_full.value == Approx(kl_sum).epsilon(1e-4).margin(1e-6));
  CHECK(row.top1_agreement.value == Approx(double(agree) / positions));
  CHECK(row.recall.n == 4);
  CHECK(row.top1_agreement.n == positions);
}

TEST_CASE("kept mass is one minus the attention rows' mass on evicted tokens") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(1));
  const Plan plan = start_plan();
  const ScoreRow row = scorer.score(plan);
  const std::vector<KeptLayer> kept = scorer.kept(0);
  const ModelShape& shape = tiny()->shape();
  for (int l = 0; l < shape.layers; ++l) {
    double evicted = 0;
    for (int h = 0; h < shape.query_heads; ++h) {
      const HeatTile tile = scorer.heat(0, l, h);
      const std::vector<int>& stays = kept[l].positions[h * shape.kv_heads / shape.query_heads];
      for (int r = 0; r < tile.rows; ++r) {
        for (int p = 0; p < kept[l].cut_tokens; ++p) {
          if (!std::binary_search(stays.begin(), stays.end(), p)) {
            evicted += tile.values[r * tile.columns + p] / tile.rows / shape.query_heads;
          }
        }
      }
    }
    INFO("layer " << l);
    CHECK(row.kept_mass_by_layer[l] == Approx(1 - evicted).margin(1e-5));
  }
}

TEST_CASE("heatmap rows are probabilities that never look ahead") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(1));
  const HeatTile tile = scorer.heat(0, 2, 5);
  const Case& c = scorer.cases()[0];
  CHECK(tile.rows == static_cast<int>(c.question.size() + c.answer.size()) - 1);
  for (int r = 0; r < tile.rows; ++r) {
    double sum = 0;
    for (int p = 0; p < tile.columns; ++p) {
      const float v = tile.values[r * tile.columns + p];
      if (p > tile.first_row + r) CHECK(v == 0);
      sum += v;
    }
    CHECK(sum == Approx(1).margin(1e-5));
  }
}

TEST_CASE("the proxy's kept mass equals the exact one") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(3));
  for (const QueryVisibility query : {QueryVisibility::agnostic, QueryVisibility::aware}) {
    Plan plan = start_plan();
    plan.query = query;
    plan.of(Phase::prefill)[2] = {"h2o", 17, {}};
    plan.of(Phase::prefill)[3] = {"full", std::nullopt, {}};
    const ScoreRow row = scorer.score(plan);
    const ProxyCut cut = preview_cut(*scorer.proxy_data(plan), plan, 0);
    REQUIRE(cut.available);
    CHECK(cut.kept_mass == Approx(row.kept_mass.value).margin(1e-6));
  }
}

TEST_CASE("a right answer by teacher forcing is the greedy answer") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(4));
  for (const int budget : {20, 60, 150}) {
    const Plan plan =
        uniform_plan("snapkv", budget, tiny()->shape().layers, QueryVisibility::agnostic);
    scorer.score(plan);
    for (int c = 0; c < 4; ++c) {
      GenerateRequest request;
      request.context = scorer.cases()[c].context;
      request.question = scorer.cases()[c].question;
      request.plan = plan;
      request.max_new = static_cast<int>(scorer.cases()[c].answer.size());
      request.stop_at_eos = false;
      const bool right = generate(*tiny(), request).ids == scorer.cases()[c].answer;
      CHECK(right == scorer.results()[c].correct);
    }
  }
}

TEST_CASE("a plan for another layer count or with a policy of another phase changes nothing") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(1));
  const ScoreRow before = scorer.score(start_plan());
  CHECK_THROWS_WITH(scorer.score(uniform_plan("snapkv", 8, 4, QueryVisibility::agnostic)),
                    Catch::Contains("4 layers") && Catch::Contains("has 6"));
  Plan decode = start_plan();
  decode.of(Phase::decode).assign(6, {"snapkv", 8, {}});
  CHECK_THROWS_WITH(scorer.score(decode), Catch::Contains("layer 0 decode"));
  CHECK(scorer.score(start_plan()).answer_nll.value == before.answer_nll.value);
}

TEST_CASE("a case set that cannot run is refused and the old one stays") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(2));
  Case empty = short_cases(1)[0];
  empty.context.clear();
  CHECK_THROWS_WITH(scorer.set_cases({empty}),
                    Catch::Contains("context") && Catch::Contains("empty"));
  Case longer = short_cases(1)[0];
  longer.context.assign(5000, 7);
  CHECK_THROWS_WITH(scorer.set_cases({longer}), Catch::Contains("2048"));
  CHECK(scorer.cases().size() == 2);
  CHECK_NOTHROW(scorer.score(start_plan()));
}

TEST_CASE("a plan's file of trained numbers that changed on disk gives the new file's scores") {
  const ScratchFolder folder;
  const ModelShape& shape = tiny()->shape();
  const auto write = [&](double sign) {
    std::vector<double> filter(static_cast<std::size_t>(shape.head_dim), 0.0);
    filter[0] = sign, filter[1] = 0.5;
    const Json layer(std::vector<Json>(static_cast<std::size_t>(shape.kv_heads), Json(filter)));
    const Json all(std::vector<Json>(static_cast<std::size_t>(shape.layers), layer));
    return folder.write("filters.json", Json({{"q_filters", all}}).dump());
  };
  Plan plan = start_plan();
  const std::string path = write(1.0);
  for (LayerChoice& choice : plan.of(Phase::prefill)) choice = {"qfilter", 40, {{"file", path}}};
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(1));
  scorer.score(plan);
  const std::vector<KeptLayer> before = scorer.kept(0);
  write(-1.0);  // another size
  scorer.score(plan);
  CHECK(scorer.kept(0)[0].positions != before[0].positions);
  check_against_scratch(scorer, plan, 0);
  write(1.0);
  scorer.score(plan);
  CHECK(scorer.kept(0)[0].positions == before[0].positions);
}

TEST_CASE("a plan whose file is missing is refused by name and leaves the last results") {
  LiveScorer scorer(tiny());
  scorer.set_cases(short_cases(2));
  const ScoreRow before = scorer.score(start_plan());
  Plan plan = start_plan();
  plan.of(Phase::prefill)[1].budget = 20;
  plan.of(Phase::prefill)[3] = {"duo", 40, {{"file", std::string("/nonexistent/gates.json")}}};
  try {
    scorer.score(plan);
    FAIL("scored without its file");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    CHECK(std::string(error.what()).find("/nonexistent/gates.json") != std::string::npos);
  }
  const auto same = [&](const CaseResult& a, const CaseResult& b) {
    return a.answer == b.answer && a.answer_nll == b.answer_nll;
  };
  const std::vector<CaseResult> kept = scorer.results();
  LiveScorer fresh(tiny());
  fresh.set_cases(short_cases(2));
  fresh.score(start_plan());
  for (int c = 0; c < 2; ++c) CHECK(same(kept[c], fresh.results()[c]));
  CHECK(scorer.score(start_plan()).answer_nll.value == before.answer_nll.value);
  check_against_scratch(scorer, start_plan(), 1);
}
