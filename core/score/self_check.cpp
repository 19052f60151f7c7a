#include "core/score/self_check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "core/budgets/allocator.h"
#include "core/cache/engine.h"
#include "core/cache/kv_cache.h"
#include "core/policies/policy.h"
#include "core/score/live_scorer.h"

namespace polykv {
namespace {

constexpr int kContext = 96, kQuestion = 8, kAnswer = 4, kBudget = 24;

std::string scientific(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

// Two prompts of ordinary token ids; the check needs numbers, not meaning.
std::vector<Case> check_cases(int vocab) {
  std::vector<Case> cases;
  std::uint64_t state = 12345;
  const auto draw = [&](int count) {
    std::vector<int> ids;
    for (int i = 0; i < count; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      ids.push_back(static_cast<int>((state >> 33) % static_cast<std::uint64_t>(vocab)));
    }
    return ids;
  };
  for (int i = 0; i < 2; ++i) {
    Case c;
    c.context = draw(kContext + 8 * i);
    c.question = draw(kQuestion);
    c.answer = draw(kAnswer);
    cases.push_back(std::move(c));
  }
  return cases;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    largest = std::max(largest, std::abs(double(a[i]) - double(b[i])));
  }
  return largest;
}

}  // namespace

std::vector<CheckLight> self_check(std::shared_ptr<const Model> model, const CancelFlag* cancel) {
  const ModelShape& shape = model->shape();
  LiveScorer scorer(model);
  scorer.set_cases(check_cases(shape.vocab), {}, cancel);
  const auto uniform = [&](const std::string& policy, std::optional<int> budget) {
    return uniform_plan(policy, budget, shape.layers, QueryVisibility::agnostic);
  };
  std::vector<CheckLight> lights;
  const auto add = [&](const char* id, const char* what, bool ok, const std::string& measured) {
    lights.push_back({id, what, ok, measured});
  };

  scorer.score(uniform("full", std::nullopt), cancel);
  const std::vector<float> full = scorer.answer_logits(0);
  scorer.score(uniform("snapkv", kContext + 1000), cancel);
  const double full_gap = largest_difference(scorer.answer_logits(0), full);
  add("budget_full", "a budget of n or more gives the logits of the full cache", full_gap == 0,
      "largest difference " + scientific(full_gap));

  // One layer of every policy in turn, then the checks on what it kept.
  Plan mixed = uniform("snapkv", kBudget);
  std::vector<std::string> evicting;
  for (const Policy& policy : policies()) {
    if (policy.score && (policy.phases & kPrefill) && stands_alone(policy)) {
      evicting.emplace_back(policy.id);
    }
  }
  for (int l = 0; l < shape.layers; ++l) {
    mixed.of(Phase::prefill)[l].policy = evicting[l % evicting.size()];
  }
  const ScoreRow row = scorer.score(mixed, cancel);
  bool ascending = true, in_range = true, not_empty = true;
  const std::vector<KeptLayer> kept = scorer.kept(0);
  for (const KeptLayer& layer : kept) {
    for (const std::vector<int>& positions : layer.positions) {
      not_empty = not_empty && !positions.empty();
      for (std::size_t i = 0; i < positions.size(); ++i) {
        in_range = in_range && positions[i] >= 0 && positions[i] < layer.cut_tokens;
        ascending = ascending && (i == 0 || positions[i] > positions[i - 1]);
      }
    }
  }
  add("positions", "kept positions ascend and are positions of the prompt", ascending && in_range,
      std::to_string(kept.size()) + " layers looked at");

  // Kept mass is one minus the evicted mass; summing the kept side on its own must agree.
  const auto proxy = scorer.proxy_data(mixed);
  double mass_gap = 0;
  for (int l = 0; l < shape.layers; ++l) {
    const std::vector<float>& mass = *proxy->cases[0].mass[l];
    const int columns = static_cast<int>(mass.size()) / shape.kv_heads;
    double stays = 0;
    for (int head = 0; head < shape.kv_heads; ++head) {
      const float* of_head = mass.data() + static_cast<std::ptrdiff_t>(head) * columns;
      for (const int p : kept[l].positions[head]) stays += of_head[p] / shape.kv_heads;
      for (int p = kept[l].cut_tokens; p < columns; ++p) stays += of_head[p] / shape.kv_heads;
    }
    mass_gap = std::max(mass_gap, std::abs(stays - kept[l].kept_mass));
  }
  add("mass", "kept and evicted attention add up to 1", mass_gap < 1e-5,
      "largest difference " + scientific(mass_gap));

  const Plan smallest = uniform("streaming_llm", 1);
  scorer.score(smallest, cancel);
  bool one_each = true;
  for (const KeptLayer& layer : scorer.kept(0)) {
    one_each = one_each && !layer.positions.empty() && layer.positions[0].size() == 1;
  }
  add("at_least_one", "every layer keeps at least one token", not_empty && one_each,
      "budget 1 keeps 1");

  const int total = kBudget * shape.layers + 1;
  int sum = 0;
  for (const int b : find_allocator("uniform").share(total, std::vector<double>(shape.layers, 1.0),
                                                     {.floor = 1, .cap = kContext}, {})) {
    sum += b;
  }
  add("total", "budgets add up to the total", sum == total,
      std::to_string(sum) + " of " + std::to_string(total));

  GenerateRequest request;
  request.context = scorer.cases()[0].context;
  request.plan = mixed;
  const std::int64_t engine_bytes = keep(*model, request, cancel).kv_bytes;
  const std::int64_t planned = model->kv_bytes(kBudget) * shape.layers;
  add("bytes", "allocated bytes are the planned bytes",
      row.kv_bytes == row.kv_bytes_planned && engine_bytes == planned,
      std::to_string(engine_bytes) + " allocated, " + std::to_string(planned) + " planned");

  scorer.score(mixed, cancel);
  Plan edited = mixed;
  edited.of(Phase::prefill)[shape.layers / 2].budget = kBudget / 2;
  scorer.score(edited, cancel);
  const std::vector<float> scratch = scorer.answer_logits_from_scratch(1, edited);
  // Relative to the largest logit: the two paths multiply matrices of other sizes.
  double largest = 1;
  for (const float logit : scratch) largest = std::max(largest, std::abs(double(logit)));
  const double gap = largest_difference(scorer.answer_logits(1), scratch) / largest;
  add("incremental", "an incremental rescore equals a run from scratch", gap <= 5e-5,
      "largest difference " + scientific(gap) + " of the largest logit");
  return lights;
}

}  // namespace polykv
