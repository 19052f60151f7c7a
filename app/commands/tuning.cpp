#include "app/commands/tuning.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/policies/policy.h"
#include "core/probe/head_list.h"
#include "core/text.h"
#include "core/tune/calibrate.h"

namespace polykv {

bool names_a_file(const std::string& text) {
  std::error_code none;
  const std::filesystem::path path(text);
  return path.has_extension() || path.has_parent_path() ||
         std::filesystem::is_regular_file(path, none);
}

std::vector<std::string> policies_option(const Options& given) {
  std::vector<std::string> chosen, known = policy_ids();
  std::erase(known, "full");
  std::istringstream list(given.text("--policies"));
  for (std::string id; std::getline(list, id, ',');) {
    if (std::find(known.begin(), known.end(), id) == known.end()) {
      throw Error(ErrorKind::usage,
                  "--policies: unknown policy '" + id + "'" + did_you_mean(id, known));
    }
    if (std::find(chosen.begin(), chosen.end(), id) == chosen.end()) chosen.push_back(id);
  }
  if (given.has("--policies") && chosen.empty()) {
    throw Error(ErrorKind::usage, "--policies: expected at least one policy");
  }
  return chosen;
}

Shard shard_option(const Options& given) {
  return given.has("--shard") ? parse_shard(given.text("--shard")) : Shard{};
}

Calibration read_calibration_of(const std::string& path, const Model& model) {
  Calibration calibration = read_calibration(path);
  Calibration expected = calibration;
  expected.model_fingerprint = model.fingerprint();
  expected.heads_fingerprint = heads_fingerprint(model);
  const std::string difference = calibration_difference(calibration, expected);
  if (!difference.empty()) fail_input(path, "", difference);
  return calibration;
}

std::vector<bool> locks_option(const Options& given, int layers) {
  std::vector<bool> locked(layers, false);
  if (!given.has("--lock")) return locked;
  for (const int layer : given.integers("--lock", "", 0, layers - 1)) locked[layer] = true;
  return locked;
}

Json plan_object(const Plan& plan, const PlanTarget& target) {
  return Json::parse(plan_json(plan, target));
}

Table comparison_table(const Comparison& comparison) {
  Table table({"plan", "recall", "answer nll", "kl to full", "gap recovered (recall)",
               "gap recovered (nll)", "kv cache"});
  for (const ComparisonRow& row : comparison.rows) {
    const ScoreRow& s = row.score;
    std::string name = s.plan;
    if (row.role == Role::control) name += " (control)";
    if (row.role == Role::best_single) name += " (best single)";
    table.add({name, with_interval(s.recall, 3), with_interval(s.answer_nll, 3),
               with_interval(s.kl_to_full, 3), with_interval(row.gap_by_recall, 2),
               with_interval(row.gap_by_nll, 2), bytes_text(s.kv_bytes)});
  }
  return table;
}

Json comparison_json(const Comparison& comparison) {
  Json rows = Json::array();
  for (const ComparisonRow& row : comparison.rows) {
    Json json = score_json(row.score);
    json["role"] = to_string(row.role);
    // Null: the full cache is not above the best single policy, so there is no gap.
    json["gap_recovered"] = {
        {"recall", row.gap_by_recall.n > 0 ? json_of(row.gap_by_recall) : Json()},
        {"answer_nll", row.gap_by_nll.n > 0 ? json_of(row.gap_by_nll) : Json()}};
    rows.push_back(json);
  }
  return rows;
}

std::string cannot_tell(const Comparison& comparison) {
  if (comparison.rows.empty() || comparison.rows[0].score.recall.value >= 0.5) return "";
  return "cannot tell: even the full cache answers fewer than half of these cases";
}

}  // namespace polykv
