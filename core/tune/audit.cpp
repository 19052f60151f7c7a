#include "core/tune/audit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/model/json_fields.h"
#include "core/policies/policy.h"

namespace polykv {
namespace {

constexpr const char* kFormat = "polykv-audit/1";

std::vector<int> budgeted_layers(const Plan& plan) {
  std::vector<int> layers;
  for (int l = 0; l < plan.layers(); ++l) {
    if (plan.of(Phase::prefill)[l].budget) layers.push_back(l);
  }
  return layers;
}

// Which of the plan's different (policy, parameters) stands in each budgeted layer.
std::vector<int> kinds_of(const Plan& plan, const std::vector<int>& layers) {
  std::vector<const LayerChoice*> seen;
  std::vector<int> kinds;
  for (const int l : layers) {
    const LayerChoice& choice = plan.of(Phase::prefill)[l];
    const auto same = std::find_if(seen.begin(), seen.end(), [&](const LayerChoice* each) {
      return each->policy == choice.policy && each->params == choice.params;
    });
    kinds.push_back(static_cast<int>(same - seen.begin()));
    if (same == seen.end()) seen.push_back(&choice);
  }
  return kinds;
}

// Different placements, as a double: it may be astronomic.
double count_of(const std::vector<int>& kinds) {
  std::map<int, int> counts;
  for (const int kind : kinds) ++counts[kind];
  double log_count = std::lgamma(double(kinds.size()) + 1);
  for (const auto& [kind, count] : counts) log_count -= std::lgamma(count + 1.0);
  return std::round(std::exp(log_count));
}

double cost_of(const AuditScore& score, const std::string& by) {
  return by == "recall" ? -score.recall : score.answer_nll;
}

std::vector<double> costs_of(const Audit& audit, const std::string& by) {
  if (audit.scores.empty() || audit.scores[0].index != 0) {
    fail_input("audit", "scores", "the plan itself is not scored; it belongs to part 1");
  }
  std::vector<double> costs;
  for (const AuditScore& score : audit.scores) costs.push_back(cost_of(score, by));
  return costs;
}

}  // namespace

std::vector<Placement> draw_placements(const Plan& plan, int count, std::uint64_t seed) {
  const std::vector<int> layers = budgeted_layers(plan);
  std::vector<int> kinds = kinds_of(plan, layers);
  const double there_are = count_of(kinds);
  if (there_are < 2) {
    fail_input("plan", "prefill",
               "has one policy in all its layers with a budget: nothing can be placed otherwise");
  }
  const int wanted = static_cast<int>(std::min<double>(count, there_are - 1));
  std::vector<Placement> placements = {{0, plan}};
  std::set<std::vector<int>> seen = {kinds};
  const std::vector<int> own = kinds;
  std::vector<int> first_of;  // a budgeted layer of each kind
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (own[i] == static_cast<int>(first_of.size())) first_of.push_back(layers[i]);
  }
  const auto add = [&](const std::vector<int>& placed) {
    if (!seen.insert(placed).second) return;
    Plan next = plan;
    for (std::size_t i = 0; i < placed.size(); ++i) {
      const LayerChoice& like = plan.of(Phase::prefill)[first_of[placed[i]]];
      next.of(Phase::prefill)[layers[i]].policy = like.policy;
      next.of(Phase::prefill)[layers[i]].params = like.params;
    }
    const int index = static_cast<int>(placements.size());
    next.name = "placement " + std::to_string(index);
    placements.push_back({index, std::move(next)});
  };
  if (wanted + 1 >= there_are / 2) {  // few: all of them in a drawn order
    std::vector<std::vector<int>> all;
    std::sort(kinds.begin(), kinds.end());
    do all.push_back(kinds);
    while (std::next_permutation(kinds.begin(), kinds.end()));
    std::mt19937_64 random(seed);
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random() % i]);
    for (const std::vector<int>& placed : all) {
      if (static_cast<int>(placements.size()) <= wanted) add(placed);
    }
    return placements;
  }
  std::mt19937_64 random(seed);
  while (static_cast<int>(placements.size()) <= wanted) {
    for (std::size_t i = kinds.size(); i > 1; --i) std::swap(kinds[i - 1], kinds[random() % i]);
    add(kinds);
  }
  return placements;
}

bool Audit::complete() const {
  int wanted = 0;
  for (int i = 0; i <= placements; ++i) wanted += shard.holds(i);
  return static_cast<int>(scores.size()) == wanted;
}

AuditRank rank_of(const Audit& audit, const std::string& by) {
  const std::vector<double> costs = costs_of(audit, by);
  int better = 0, same = 0;
  for (std::size_t i = 1; i < costs.size(); ++i) {
    better += costs[i] < costs[0];
    same += costs[i] == costs[0];
  }
  AuditRank rank;
  rank.of = static_cast<int>(costs.size());
  rank.rank = 1 + better + (same + 1) / 2;
  rank.p = double(1 + better + same) / rank.of;
  return rank;
}

Histogram histogram_of(const Audit& audit, const std::string& by, int bins) {
  const std::vector<double> costs = costs_of(audit, by);
  std::vector<double> values;
  for (const double cost : costs) values.push_back(by == "recall" ? -cost : cost);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  Histogram histogram;
  histogram.low = *low;
  histogram.high = *high;
  histogram.counts.assign(bins, 0);
  const double width = (*high - *low) / bins;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int bin =
        width > 0 ? std::min(bins - 1, static_cast<int>((values[i] - *low) / width)) : 0;
    if (i == 0) {
      histogram.plan_bin = bin;
    } else {
      ++histogram.counts[bin];
    }
  }
  return histogram;
}

Audit plan_audit(const Model& model, const std::vector<Case>& cases, const Plan& plan,
                 int permutations, std::uint64_t seed, const Shard& shard) {
  if (permutations < 1) fail_input("audit", "permutations", "expected at least 1");
  Audit audit;
  audit.plan = plan.name;
  audit.plan_fingerprint = plan_fingerprint(plan);
  audit.model_fingerprint = model.fingerprint();
  audit.cases_fingerprint = case_set_fingerprint(cases);
  audit.query = plan.query;
  audit.seed = seed;
  audit.cases = static_cast<int>(cases.size());
  audit.asked = permutations;
  audit.placements = static_cast<int>(draw_placements(plan, permutations, seed).size()) - 1;
  audit.shard = shard;
  return audit;
}

void run_audit(LiveScorer& scorer, const Plan& plan, Audit& audit, const Progress& progress,
               const CancelFlag* cancel, const std::function<void(const Audit&)>& done) {
  const std::vector<Placement> placements = draw_placements(plan, audit.asked, audit.seed);
  for (const Placement& placement : placements) {
    const bool there =
        std::any_of(audit.scores.begin(), audit.scores.end(),
                    [&](const AuditScore& score) { return score.index == placement.index; });
    if (there || !audit.shard.holds(placement.index)) continue;
    if (progress) {
      progress(double(placement.index) / double(placements.size()),
               "placement " + std::to_string(placement.index) + " of " +
                   std::to_string(placements.size() - 1));
    }
    const ScoreRow row = scorer.score(placement.plan, cancel);
    audit.scores.push_back({placement.index, row.recall.value, row.answer_nll.value});
    if (done) done(audit);
  }
}

Json audit_json(const Audit& audit) {
  Json scores = Json::array();
  for (const AuditScore& score : audit.scores) {
    scores.push_back(
        {{"index", score.index}, {"recall", score.recall}, {"answer_nll", score.answer_nll}});
  }
  Json json = {{"format", kFormat},
               {"plan", audit.plan},
               {"plan_fingerprint", audit.plan_fingerprint},
               {"model_fingerprint", audit.model_fingerprint},
               {"cases_fingerprint", audit.cases_fingerprint},
               {"query", to_string(audit.query)},
               {"seed", audit.seed},
               {"cases", audit.cases},
               {"permutations", audit.asked},
               {"placements", audit.placements},
               {"shard", shard_json(audit.shard)},
               {"scores", scores}};
  if (!audit.shard.whole() || !audit.complete()) return json;
  const AuditRank by_nll = rank_of(audit, "nll"), by_recall = rank_of(audit, "recall");
  json["rank"] = by_nll.rank;
  json["of"] = by_nll.of;
  json["p"] = by_nll.p;
  json["rank_by_recall"] = by_recall.rank;
  json["p_by_recall"] = by_recall.p;
  const Histogram histogram = histogram_of(audit, "nll", 20);
  json["histogram"] = {{"by", "answer_nll"},
                       {"low", histogram.low},
                       {"high", histogram.high},
                       {"counts", histogram.counts},
                       {"plan_bin", histogram.plan_bin}};
  return json;
}

Audit parse_audit(const Json& json, const std::string& origin) {
  const JsonFields fields(json, origin);
  if (fields.text_or("format", "") != kFormat) {
    fields.fail("format", std::string("expected \"") + kFormat + "\"");
  }
  Audit audit;
  audit.plan = fields.text_or("plan", "");
  audit.plan_fingerprint = fields.text_or("plan_fingerprint", "");
  audit.model_fingerprint = fields.text_or("model_fingerprint", "");
  audit.cases_fingerprint = fields.text_or("cases_fingerprint", "");
  const auto query = query_from(fields.text_or("query", ""));
  if (!query) fields.fail("query", "expected agnostic or aware");
  audit.query = *query;
  if (!fields.at("seed").is_number_unsigned()) {
    fields.fail("seed", "expected a whole number of at least 0");
  }
  audit.seed = fields.at("seed").get<std::uint64_t>();
  audit.cases = fields.positive("cases");
  audit.asked = fields.positive("permutations");
  audit.placements = fields.positive("placements");
  audit.shard = shard_from(fields.at("shard"), origin);
  const Json& scores = fields.at("scores");
  if (!scores.is_array()) fields.fail("scores", "expected a list");
  for (const Json& each : scores) {
    const auto number = [&](const char* key) {
      return each.is_object() && each.contains(key) && each[key].is_number() &&
             std::isfinite(each[key].get<double>());
    };
    if (!number("index") || !each["index"].is_number_integer() || !number("recall") ||
        !number("answer_nll")) {
      fields.fail("scores", "expected {\"index\", \"recall\", \"answer_nll\"} in each entry");
    }
    const AuditScore score{each["index"].get<int>(), each["recall"].get<double>(),
                           each["answer_nll"].get<double>()};
    if (score.index < 0 || score.index > audit.placements || !audit.shard.holds(score.index) ||
        (!audit.scores.empty() && score.index <= audit.scores.back().index)) {
      fields.fail("scores", "expected the placements of this part in ascending order, each once");
    }
    audit.scores.push_back(score);
  }
  return audit;
}

Audit merge_audits(const std::vector<Audit>& parts, const std::vector<std::string>& origins) {
  std::vector<Shard> shards;
  for (const Audit& part : parts) shards.push_back(part.shard);
  check_shards(shards, origins);
  Audit all = parts[0];
  const auto belongs = [&](const Audit& part) {
    return part.plan_fingerprint == all.plan_fingerprint && part.plan == all.plan &&
           part.model_fingerprint == all.model_fingerprint &&
           part.cases_fingerprint == all.cases_fingerprint && part.seed == all.seed &&
           part.asked == all.asked && part.placements == all.placements && part.query == all.query;
  };
  all.scores.clear();
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!belongs(parts[p])) {
      fail_input(origins[p], "",
                 "does not belong to " + origins[0] + ": another plan, model, case set or seed");
    }
    if (!parts[p].complete()) {
      fail_input(origins[p], "scores", "not every placement of its part is scored");
    }
    all.scores.insert(all.scores.end(), parts[p].scores.begin(), parts[p].scores.end());
  }
  all.shard = {};
  std::sort(all.scores.begin(), all.scores.end(),
            [](const AuditScore& a, const AuditScore& b) { return a.index < b.index; });
  return all;
}

}  // namespace polykv
