#include "core/tune/calibrate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/policies/policy.h"
#include "core/probe/needle.h"
#include "core/score/live_scorer.h"
#include "tests/core/signals/signal_cases.h"
#include "tests/support/embedded.h"
#undef CHECK  // torch has a macro of this name, which would abort the program
#include <catch2/catch.hpp>

using namespace polykv;

namespace {

CalibrationSettings settings_of(QueryVisibility query, std::vector<std::string> policies) {
  CalibrationSettings settings;
  settings.query = query;
  settings.budget = 24;
  settings.policies = std::move(policies);
  return settings;
}

Calibration calibrated(const std::vector<Case>& cases, const CalibrationSettings& settings,
                       const Shard& shard = {}) {
  Calibration made = plan_calibration(*tiny(), cases, settings, shard);
  calibrate(*tiny(), cases, made);
  return made;
}

// Everything full but one layer in one phase.
Plan disturbed_plan(const Calibration& c, int layer, const CalibrationColumn& column) {
  Plan plan = uniform_plan("full", std::nullopt, c.layers, c.settings.query);
  plan.seed = c.settings.seed;
  LayerChoice& choice = plan.of(column.phase)[layer];
  choice.policy = column.policy;
  choice.budget = c.settings.budget;
  return plan;
}

// What one layer gives when each tail query sees only the keys in `seen(query, kv head)`, in loops:
// the restricted softmax is the full one renormalised.
struct Expected {
  double cosine = 0, error = 0, mass = 0;
};
template <class Seen>
Expected plain_disturbance(const Model& model, const CaseState& state, int layer, int first,
                           const Seen& seen) {
  const ModelShape& s = model.shape();
  const int n = state.full.tokens, d = s.head_dim, group = s.query_heads / s.kv_heads;
  const auto attention =
      plain_attention(model.decoder(), state.full.layers[layer], layer, first, n);
  const at::Tensor v = state.full.layers[layer].v.contiguous();
  const int rows = n - first;
  at::Tensor full = at::zeros({rows, s.query_heads * d}, at::kFloat), cut = full.clone();
  Expected expected;
  for (int h = 0; h < s.query_heads; ++h) {
    const float* values = v.data_ptr<float>() + std::int64_t{h / group} * n * d;
    for (int i = 0; i < rows; ++i) {
      double kept = 0;
      std::vector<double> all(d, 0), left(d, 0);
      for (int j = 0; j <= first + i; ++j) {
        const double p = attention[h][i][j];
        const bool stays = seen(first + i, h / group, j);
        kept += stays ? p : 0;
        for (int c = 0; c < d; ++c) {
          all[c] += p * values[j * d + c];
          if (stays) left[c] += p * values[j * d + c];
        }
      }
      expected.mass += kept / rows / s.query_heads;
      for (int c = 0; c < d; ++c) {
        full[i][h * d + c] = float(all[c]);
        cut[i][h * d + c] = float(left[c] / kept);
      }
    }
  }
  const at::Tensor was = model.decoder().attention_output(layer, full).contiguous();
  const at::Tensor is = model.decoder().attention_output(layer, cut).contiguous();
  for (int i = 0; i < rows; ++i) {
    double dot = 0, a = 0, b = 0, gap = 0;
    for (int c = 0; c < was.size(1); ++c) {
      const double x = was.data_ptr<float>()[i * was.size(1) + c];
      const double y = is.data_ptr<float>()[i * was.size(1) + c];
      dot += x * y;
      a += x * x;
      b += y * y;
      gap += (x - y) * (x - y);
    }
    expected.cosine += dot / std::sqrt(a * b) / rows;
    expected.error += std::sqrt(gap) / (std::sqrt(a) + 1e-6) / rows;
  }
  return expected;
}

}  // namespace

TEST_CASE("a cell's NLL and recall are those of a plan that cuts only this layer in this phase") {
  for (const QueryVisibility query : {QueryVisibility::agnostic, QueryVisibility::aware}) {
    const std::vector<Case> cases = short_cases(2);
    const Calibration c = calibrated(cases, settings_of(query, usual_policies(*tiny())));
    REQUIRE(c.complete());
    LiveScorer scorer(tiny());
    int changed = 0;
    for (int i = 0; i < c.n(); ++i) {
      scorer.set_cases({cases[i]});
      for (int l = 0; l < c.layers; ++l) {
        for (std::size_t column = 0; column < c.columns.size(); ++column) {
          scorer.score(disturbed_plan(c, l, c.columns[column]));
          const CaseResult result = scorer.results()[0];
          const CellScores& cell = c.cases[i].cells[l * c.columns.size() + column];
          INFO(c.columns[column].policy << " " << to_string(c.columns[column].phase) << " layer "
                                        << l << " " << to_string(query));
          // Other matrix sizes, other rounding.
          REQUIRE(cell.nll_increase == Approx(result.answer_nll - result.full_nll).margin(1e-3));
          REQUIRE(cell.recall_change == double(result.correct) - double(result.full_correct));
          changed += std::abs(cell.nll_increase) > 0.01;
        }
      }
    }
    CHECK(changed > 50);  // the comparison is not one of zeros
  }
}

TEST_CASE("cosine, eviction error and kept mass of a prefill cut follow their definitions") {
  const at::InferenceMode guard;
  for (const QueryVisibility query : {QueryVisibility::agnostic, QueryVisibility::aware}) {
    const std::vector<Case> cases = short_cases(1);
    const Calibration c = calibrated(cases, settings_of(query, {"snapkv", "keydiff", "adakv"}));
    const CaseState state = prefill_case(tiny()->decoder(), cases[0], nullptr);
    LiveScorer scorer(tiny());
    scorer.set_cases(cases);
    for (const int layer : {0, 3, 5}) {
      for (const int column : c.columns_of(Phase::prefill)) {
        scorer.score(disturbed_plan(c, layer, c.columns[column]));
        const KeptLayer kept = scorer.kept(0)[layer];
        const int cut = state.cut_tokens(query);
        const Expected expected =
            plain_disturbance(*tiny(), state, layer, cut, [&](int, int head, int key) {
              const auto& stays = kept.positions[head];
              return key >= cut || std::binary_search(stays.begin(), stays.end(), key);
            });
        const CellScores& cell = c.cases[0].cells[layer * c.columns.size() + column];
        INFO(c.columns[column].policy << " layer " << layer);
        CHECK(cell.cosine == Approx(expected.cosine).margin(1e-4));
        CHECK(cell.eviction_error == Approx(expected.error).margin(1e-4));
        CHECK(cell.kept_mass == Approx(expected.mass).margin(1e-4));
      }
    }
  }
}

TEST_CASE("a decode cell sees what sink and recent leave after every answer token") {
  const at::InferenceMode guard;
  const std::vector<Case> cases = short_cases(1);
  const Calibration c =
      calibrated(cases, settings_of(QueryVisibility::agnostic, {"streaming_llm"}));
  const CaseState state = prefill_case(tiny()->decoder(), cases[0], nullptr);
  const int first = state.context() + state.question(), budget = c.settings.budget;
  const int column = c.columns_of(Phase::decode).at(0);
  const Protected kept = find_policy("streaming_llm")->protect({}, budget, first);
  for (const int layer : {1, 4}) {
    // Before the first answer token nothing is cut; then the sink and the newest stay, and each
    // token that is fed comes on top.
    const Expected expected =
        plain_disturbance(*tiny(), state, layer, first, [&](int asking, int, int key) {
          if (asking == first || key == asking) return true;
          return key < kept.sink || key >= asking - (budget - kept.sink);
        });
    const CellScores& cell = c.cases[0].cells[layer * c.columns.size() + column];
    CHECK(cell.cosine == Approx(expected.cosine).margin(1e-4));
    CHECK(cell.eviction_error == Approx(expected.error).margin(1e-4));
    CHECK(cell.kept_mass == Approx(expected.mass).margin(1e-4));
  }
}

TEST_CASE("a calibration that was cancelled goes on to the same numbers") {
  const std::vector<Case> cases = short_cases(3);
  const CalibrationSettings settings =
      settings_of(QueryVisibility::agnostic, {"snapkv", "keydiff"});
  const Calibration whole = calibrated(cases, settings);
  Calibration part = plan_calibration(*tiny(), cases, settings);
  CancelFlag cancel = false;
  REQUIRE_THROWS_AS(calibrate(*tiny(), cases, part, {}, &cancel,
                              [&](const Calibration& so_far) { cancel = so_far.n() == 1; }),
                    Cancelled);
  REQUIRE(part.n() == 1);
  CHECK_FALSE(part.complete());
  const CalibrationCost cost = calibrate(*tiny(), cases, part);
  CHECK(cost.cases == 2);
  CHECK(cost.full_evaluations == 2.0 * 6 * double(part.columns.size()));
  CHECK(cost.full_evaluation_seconds > 0);
  CHECK((part.cases == whole.cases));
  CHECK(calibrate(*tiny(), cases, part).cases == 0);  // nothing is left to do
}

TEST_CASE("shards of a calibration merge to the file of a single run") {
  const std::vector<Case> cases = short_cases(5);
  const CalibrationSettings settings = settings_of(QueryVisibility::aware, {"snapkv", "tova"});
  const std::string whole = calibration_json(calibrated(cases, settings));
  std::vector<Calibration> parts;
  for (const int i : {2, 1}) parts.push_back(calibrated(cases, settings, {i, 2}));
  CHECK(parts[0].n() + parts[1].n() == 5);
  CHECK(calibration_json(merge_calibrations(parts, {"b", "a"})) == whole);
}

TEST_CASE("policies that cannot be calibrated are refused by name") {
  const std::vector<Case> cases = short_cases(1);
  const auto refused = [&](const std::string& policy, const std::string& why) {
    REQUIRE_THROWS_WITH(
        plan_calibration(*tiny(), cases, settings_of(QueryVisibility::agnostic, {policy})),
        Catch::Contains(policy) && Catch::Contains(why));
  };
  refused("snapvk", "nearest is 'snapkv'");
  refused("duo", "needs a file");
  CalibrationSettings none = settings_of(QueryVisibility::agnostic, {"snapkv"});
  none.budget = 0;
  CHECK_THROWS_WITH(plan_calibration(*tiny(), cases, none), Catch::Contains("at least 1"));
  CHECK_THROWS_WITH(plan_calibration(*tiny(), {}, {}), Catch::Contains("case set is empty"));
}
