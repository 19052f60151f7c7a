#include "core/tune/audit.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "core/error.h"
#include "core/probe/needle.h"
#include "core/tune/comparison.h"
#include "tests/support/embedded.h"
#include "tests/support/json_damage.h"

using namespace polykv;

namespace {

// snapkv, keydiff, keydiff, full, tova with a parameter, snapkv; budgets 10, 11, ...
Plan mixed_plan() {
  Plan plan = uniform_plan("snapkv", 10, 6, QueryVisibility::agnostic);
  plan.name = "mixed";
  auto& choices = plan.of(Phase::prefill);
  for (int l = 0; l < 6; ++l) choices[l].budget = 10 + l;
  choices[1].policy = choices[2].policy = "keydiff";
  choices[3] = LayerChoice{};
  choices[4].policy = "snapkv";
  choices[4].params["window"] = 4.0;
  return plan;
}

std::map<std::string, int> counts_of(const Plan& plan) {
  std::map<std::string, int> counts;
  for (const LayerChoice& choice : plan.of(Phase::prefill)) {
    ++counts[choice.policy + (choice.params.empty() ? "" : "*")];
  }
  return counts;
}

Audit made_audit(const std::vector<double>& nll) {
  Audit audit;
  audit.plan = "p";
  audit.cases = 3;
  audit.asked = audit.placements = static_cast<int>(nll.size()) - 1;
  for (std::size_t i = 0; i < nll.size(); ++i) {
    audit.scores.push_back({static_cast<int>(i), 1 - nll[i] / 10, nll[i]});
  }
  return audit;
}

}  // namespace

TEST_CASE("placements differ, keep policy counts and parameters, budgets and full layers") {
  const Plan plan = mixed_plan();
  for (const int count : {5, 20, 1000}) {
    const std::vector<Placement> placements = draw_placements(plan, count, 3);
    // Five layers with 2 snapkv, 2 keydiff and one snapkv with a parameter: 5! / (2! 2!) = 30.
    CHECK(static_cast<int>(placements.size()) == 1 + std::min(count, 29));
    CHECK(placements[0].plan == plan);
    std::set<std::string> seen;
    for (const Placement& each : placements) {
      CHECK(counts_of(each.plan) == counts_of(plan));
      CHECK(each.plan.of(Phase::prefill)[3].policy == "full");
      for (int l = 0; l < 6; ++l) {
        CHECK(each.plan.of(Phase::prefill)[l].budget == plan.of(Phase::prefill)[l].budget);
      }
      seen.insert(plan_fingerprint(each.plan));
    }
    CHECK(seen.size() == placements.size());
  }
  const auto again = draw_placements(plan, 5, 3), other = draw_placements(plan, 5, 4);
  for (int i = 0; i < 6; ++i) CHECK(again[i].plan == draw_placements(plan, 5, 3)[i].plan);
  bool differs = false;
  for (int i = 1; i < 6; ++i) differs = differs || !(again[i].plan == other[i].plan);
  CHECK(differs);
  CHECK_THROWS_WITH(draw_placements(uniform_plan("snapkv", 9, 6, {}), 5, 1),
                    Catch::Contains("one policy"));
}

TEST_CASE("rank and p count what is better and what is equal") {
  CHECK(rank_of(made_audit({1, 2, 3, 4}), "nll").rank == 1);
  CHECK(rank_of(made_audit({1, 2, 3, 4}), "nll").p == Approx(0.25));
  CHECK(rank_of(made_audit({3, 2, 1, 4}), "nll").rank == 3);
  CHECK(rank_of(made_audit({3, 2, 1, 4}), "recall").rank == 3);
  const AuditRank tied = rank_of(made_audit({2, 1, 2, 2, 4}), "nll");
  CHECK(tied.rank == 3);  // one is better, two are equal
  CHECK(tied.of == 5);
  CHECK(tied.p == Approx(4.0 / 5));
  Audit without = made_audit({1, 2});
  without.scores.erase(without.scores.begin());
  CHECK_THROWS_WITH(rank_of(without, "nll"), Catch::Contains("part 1"));
}

TEST_CASE("the histogram holds every placement once and marks the plan's bin") {
  const Histogram h = histogram_of(made_audit({0.5, 0, 0.1, 0.9, 1, 1}), "nll", 4);
  CHECK(h.counts == std::vector<int>{2, 0, 0, 3});
  CHECK(h.plan_bin == 2);
  CHECK(h.low == 0);
  CHECK(h.high == 1);
  CHECK(histogram_of(made_audit({1, 1, 1}), "nll", 3).counts == std::vector<int>{2, 0, 0});
}

TEST_CASE("an audit in two parts merges to the file of a single run") {
  NeedleSettings like;
  like.context_tokens = 160;
  const std::vector<Case> cases = make_needle_cases(3, like, tiny()->tokenizer());
  const auto run = [&](const Shard& shard) {
    Audit audit = plan_audit(*tiny(), cases, mixed_plan(), 9, 2, shard);
    LiveScorer scorer(tiny());
    scorer.set_cases(cases);
    run_audit(scorer, mixed_plan(), audit);
    REQUIRE(audit.complete());
    return audit;
  };
  const Audit whole = run({});
  const Json json = audit_json(whole);
  CHECK(json["of"] == 10);
  // The plan's own score is what the scorer gives it.
  LiveScorer scorer(tiny());
  scorer.set_cases(cases);
  CHECK(whole.scores[0].answer_nll ==
        Approx(scorer.score(mixed_plan()).answer_nll.value).margin(1e-6));
  std::vector<Audit> parts;
  for (const int i : {1, 2}) {
    parts.push_back(parse_audit(Json::parse(audit_json(run({i, 2})).dump()), "part"));
  }
  CHECK(audit_json(merge_audits(parts, {"a", "b"})).dump() == json.dump());
  CHECK_THROWS_WITH(merge_audits({parts[1]}, {"b"}), Catch::Contains("part 1 of 2 is missing"));
  Audit other = parts[1];
  other.seed = 77;
  CHECK_THROWS_WITH(merge_audits({parts[0], other}, {"a", "b"}),
                    Catch::Contains("b") && Catch::Contains("does not belong"));
}

TEST_CASE("no damage of one value of an audit file does more than an input error") {
  Audit audit = made_audit({1, 2, 3, 4});
  audit.plan_fingerprint = "print";
  const int refused = refused_damages(audit_json(audit), [](const Json& bad) {
    const Audit read = parse_audit(bad, "audit.json");
    audit_json(merge_audits({read}, {"audit.json"}));
  });
  CHECK(refused > 150);
}

TEST_CASE(
    "gap_recovered is 0 for the best single, 1 for full, linear between, none without a gap") {
  const std::vector<double> best = {0, 0, 1, 0, 1}, full = {1, 1, 1, 1, 1}, plan = {1, 0, 1, 1, 1};
  CHECK(gap_recovered(best, best, full, true).value == 0);
  CHECK(gap_recovered(full, best, full, true).value == 1);
  const Estimate between = gap_recovered(plan, best, full, true);
  CHECK(between.value == Approx(2.0 / 3));
  CHECK(between.low <= between.value);
  CHECK(between.high >= between.value);
  CHECK(between.n == 5);
  CHECK(gap_recovered(plan, full, best, true).n == 0);
  // NLL: less is better. (2 - 1) of (2 - 0.5).
  CHECK(gap_recovered({1, 1}, {2, 2}, {0.5, 0.5}, false).value == Approx(1.0 / 1.5));
}

TEST_CASE("a comparison draws the controls at the plan's total and marks the best single policy") {
  NeedleSettings like;
  like.context_tokens = 160;
  LiveScorer scorer(tiny());
  scorer.set_cases(make_needle_cases(3, like, tiny()->tokenizer()));
  CompareSettings settings;
  settings.singles = {"snapkv", "keydiff", "tova"};
  const Comparison comparison = compare_plans(scorer, {mixed_plan()}, settings);
  REQUIRE(comparison.rows.size() == 5);  // full, two controls, best single, plan
  CHECK(comparison.rows[0].role == Role::full);
  for (const ComparisonRow& row : comparison.rows) {
    if (row.role == Role::full) continue;
    CHECK(row.plan.total(Phase::prefill) == mixed_plan().total(Phase::prefill));
  }
  const ComparisonRow* best = comparison.best_single();
  REQUIRE(best != nullptr);
  for (const std::string& id : settings.singles) {
    Plan single = best->plan;
    for (LayerChoice& choice : single.of(Phase::prefill)) {
      if (choice.budget) choice.policy = id;
    }
    CHECK(best->score.answer_nll.value <= scorer.score(single).answer_nll.value + 1e-5);
  }
  CHECK(comparison.rows[4].score.answer_nll.value ==
        Approx(scorer.score(mixed_plan()).answer_nll.value).margin(1e-5));
}
