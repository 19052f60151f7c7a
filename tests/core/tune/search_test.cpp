#include "core/tune/search.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/probe/needle.h"
#include "tests/support/embedded.h"

using namespace polykv;

namespace {

LiveScorer& scorer() {
  static LiveScorer* one = [] {
    NeedleSettings like;
    like.context_tokens = 200;
    auto* made = new LiveScorer(tiny());
    made->set_cases(make_needle_cases(4, like, tiny()->tokenizer()));
    return made;
  }();
  return *one;
}

Plan start_plan(const std::string& policy = "streaming_llm") {
  return uniform_plan(policy, 20, tiny()->shape().layers, QueryVisibility::aware);
}

SearchSettings limited(int evaluations, std::uint64_t seed = 3) {
  SearchSettings settings;
  settings.evaluations = evaluations;
  settings.seed = seed;
  settings.policies = {"snapkv", "keydiff", "streaming_llm"};
  settings.cap = 200;
  return settings;
}

}  // namespace

TEST_CASE("a search is never worse than its start, keeps the total and scores what it says") {
  for (const char* objective : {"nll", "kl", "recall"}) {
    SearchSettings settings = limited(60);
    settings.objective = objective;
    int watched = 0, steps = 0;
    const SearchResult result = search_plan(scorer(), {start_plan()}, settings,
                                            [&](const SearchResult&, const SearchStep* step) {
                                              ++watched;
                                              steps += step != nullptr;
                                            });
    CHECK(result.evaluations == 60);
    CHECK(watched == 60);
    CHECK(steps == static_cast<int>(result.steps.size()));
    const Objective& by = find_objective(objective);
    CHECK(result.start().plan == start_plan());
    double last = by.cost(result.start().score);
    for (const SearchStep& step : result.steps) {
      CHECK(step.plan.total(Phase::prefill) == start_plan().total(Phase::prefill));
      CHECK(by.cost(step.score) <= last);
      last = by.cost(step.score);
      // Scored again by itself it gives the same.
      CHECK(by.cost(scorer().score(step.plan)) == Approx(last).margin(1e-5));
    }
    CHECK(last < by.cost(result.start().score));  // sink+recent can be improved
  }
}

TEST_CASE("the same seed and number of evaluations give the same search, another seed another") {
  const SearchResult a = search_plan(scorer(), {start_plan()}, limited(50));
  const SearchResult b = search_plan(scorer(), {start_plan()}, limited(50));
  const SearchResult c = search_plan(scorer(), {start_plan()}, limited(50, 4));
  REQUIRE(a.steps.size() == b.steps.size());
  for (std::size_t i = 0; i < a.steps.size(); ++i) {
    CHECK(a.steps[i].plan == b.steps[i].plan);
    CHECK(a.steps[i].evaluation == b.steps[i].evaluation);
  }
  CHECK_FALSE(a.best().plan == c.best().plan);
}

TEST_CASE("locked layers stay, and without policies only budgets move") {
  SearchSettings settings = limited(60);
  settings.locked = {true, false, true};
  SearchResult result = search_plan(scorer(), {start_plan("snapkv")}, settings);
  for (const SearchStep& step : result.steps) {
    for (const int l : {0, 2}) {
      CHECK(step.plan.of(Phase::prefill)[l] == start_plan("snapkv").of(Phase::prefill)[l]);
    }
  }
  settings.policies.clear();
  result = search_plan(scorer(), {start_plan("snapkv")}, settings);
  CHECK(result.steps.size() > 1);
  for (const LayerChoice& choice : result.best().plan.of(Phase::prefill)) {
    CHECK(choice.policy == "snapkv");
  }
}

TEST_CASE("of several starts the search goes on from the best") {
  const std::vector<Plan> starts = {start_plan("random"), start_plan("keydiff"),
                                    start_plan("streaming_llm")};
  double best = 1e9;
  for (const Plan& start : starts) {
    best = std::min(best, scorer().score(start).answer_nll.value);
  }
  const SearchResult result = search_plan(scorer(), starts, limited(3));
  CHECK(result.start().score.answer_nll.value == Approx(best).margin(1e-5));
}

TEST_CASE("a cancelled search gives the best plan so far") {
  CancelFlag cancel = false;
  const SearchResult result = search_plan(
      scorer(), {start_plan()}, limited(1000),
      [&](const SearchResult& so_far, const SearchStep*) { cancel = so_far.evaluations == 30; },
      &cancel);
  CHECK(result.cancelled);
  CHECK(result.evaluations == 30);
  const SearchResult whole = search_plan(scorer(), {start_plan()}, limited(30));
  CHECK(result.best().plan == whole.best().plan);
}

TEST_CASE("decode budgets move too, and keep their total") {
  Plan plan = start_plan("snapkv");
  for (LayerChoice& choice : plan.of(Phase::decode)) {
    choice.policy = "streaming_llm";
    choice.budget = 40;
  }
  SearchSettings settings = limited(40);
  settings.policies = {"tova", "keydiff", "streaming_llm"};
  const SearchResult result = search_plan(scorer(), {plan}, settings);
  bool moved = false;
  for (const SearchStep& step : result.steps) {
    CHECK(step.plan.total(Phase::decode) == plan.total(Phase::decode));
    CHECK(step.plan.total(Phase::prefill) == plan.total(Phase::prefill));
    moved = moved || step.edit.find("decode") != std::string::npos;
  }
  CHECK(result.best().score.answer_nll.value <= result.start().score.answer_nll.value);
}

TEST_CASE("a search that cannot be is refused with the reason") {
  CHECK_THROWS_WITH(search_plan(scorer(), {start_plan()}, SearchSettings{}),
                    Catch::Contains("limit"));
  CHECK_THROWS_WITH(
      search_plan(scorer(), {start_plan(), uniform_plan("snapkv", 9, 6, {})}, limited(5)),
      Catch::Contains("one total"));
  SearchSettings all_locked = limited(5);
  all_locked.locked.assign(6, true);
  CHECK_THROWS_WITH(search_plan(scorer(), {start_plan()}, all_locked),
                    Catch::Contains("nothing that may change"));
  SearchSettings wrong = limited(5);
  wrong.objective = "nil";
  CHECK_THROWS_WITH(search_plan(scorer(), {start_plan()}, wrong), Catch::Contains("'nll'"));
}

TEST_CASE("the halves of a case set are disjoint, cover it and follow the seed") {
  NeedleSettings like;
  like.context_tokens = 100;
  like.keys = 1;
  const std::vector<Case> cases = make_needle_cases(7, like, tiny()->tokenizer());
  const CaseHalves halves = split_cases(cases, 5);
  CHECK(halves.search.size() == 3);
  CHECK(halves.report.size() == 4);
  std::vector<std::uint64_t> seeds;
  for (const auto* half : {&halves.search, &halves.report}) {
    for (const Case& each : *half) seeds.push_back(each.seed);
  }
  std::sort(seeds.begin(), seeds.end());
  for (std::size_t i = 0; i < cases.size(); ++i) CHECK(seeds[i] == cases[i].seed);
  CHECK(case_set_fingerprint(split_cases(cases, 5).search) == case_set_fingerprint(halves.search));
  CHECK(case_set_fingerprint(split_cases(cases, 6).search) != case_set_fingerprint(halves.search));
  CHECK_THROWS_WITH(split_cases({cases[0]}, 1), Catch::Contains("two cases"));
}
