// `calibrate`: what every policy does to every layer, by itself.
#include "core/tune/calibrate.h"

#include <chrono>
#include <filesystem>
#include <iostream>

#include "app/commands/interrupt.h"
#include "app/commands/tuning.h"
#include "core/error.h"
#include "core/text.h"
#include "core/tune/route.h"

namespace polykv {
namespace {

constexpr double kSaveSeconds = 10;
constexpr int kFewCases = 20;

std::vector<Phase> phases_option(const Options& given) {
  std::vector<Phase> phases;
  const std::string word = given.choice("--phases", "both", {"both", "prefill", "decode"});
  if (word != "decode") phases.push_back(Phase::prefill);
  if (word != "prefill") phases.push_back(Phase::decode);
  return phases;
}

// What the file holds already, or the empty calibration.
Calibration resume(const Options& given, Calibration wanted, const std::string& path) {
  std::error_code none;
  if (!std::filesystem::exists(path, none) || given.has("--restart")) return wanted;
  Calibration have = read_calibration(path);
  std::string difference = calibration_difference(have, wanted);
  if (difference.empty() && !(have.shard == wanted.shard)) difference = "it is another part";
  if (!difference.empty()) {
    fail_input(path, "", "cannot go on: " + difference + "; --restart begins anew");
  }
  return have;
}

void print_best(const Calibration& c) {
  Table table({"layer", "phase", "by cosine", "cosine", "by nll", "nll increase"});
  const CellMeasure &cosine = find_measure("cosine"), &nll = find_measure("nll");
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const std::vector<int> columns = c.columns_of(phase);
    for (int l = 0; l < c.layers && !columns.empty(); ++l) {
      const int close = best_column(c, cosine, false, l, phase);
      const int cheap = best_column(c, nll, false, l, phase);
      const MeanError near = c.cell(cosine, l, close), cost = c.cell(nll, l, cheap);
      table.add({std::to_string(l), to_string(phase), c.columns[close].policy,
                 fixed(near.mean, 4) + " +- " + fixed(near.error, 4), c.columns[cheap].policy,
                 fixed(cost.mean, 4) + " +- " + fixed(cost.error, 4)});
    }
  }
  table.print(std::cout);
}

Json cost_json(const CalibrationCost& cost) {
  if (cost.cases == 0) return nullptr;
  return {{"cases", cost.cases},
          {"seconds", cost.seconds},
          {"full_evaluations", cost.full_evaluations},
          {"full_evaluation_seconds", cost.full_evaluation_seconds},
          {"full_seconds", cost.full_evaluations * cost.full_evaluation_seconds},
          {"share", cost.share()}};
}

int run(const Options& given) {
  given.require("--out");
  const std::string path = given.text("--out");
  ProgressLine progress;
  const Interrupt interrupt;
  const auto model = open_model(given, progress);
  const std::vector<Case> cases =
      read_case_set(given, *model, given.integer("--count", 64, 1, 100000));
  CalibrationSettings settings;
  settings.query = query_option(given).value_or(QueryVisibility::agnostic);
  settings.budget = given.integer("--budget", settings.budget, 1, 10'000'000);
  settings.policies = policies_option(given);
  settings.phases = phases_option(given);
  settings.seed = given.seed(0);
  Calibration calibration = resume(
      given, plan_calibration(*model, cases, std::move(settings), shard_option(given)), path);
  const int before = calibration.n();

  auto saved = std::chrono::steady_clock::now();
  CalibrationCost cost;
  bool cancelled = false;
  try {
    cost = calibrate(*model, cases, calibration, progress.callback(), interrupt.flag(),
                     [&](const Calibration& so_far) {
                       const auto now = std::chrono::steady_clock::now();
                       if (std::chrono::duration<double>(now - saved).count() < kSaveSeconds)
                         return;
                       write_calibration(path, so_far);
                       saved = now;
                     });
  } catch (const Cancelled&) {
    cancelled = true;
  }
  write_calibration(path, calibration);
  progress.clear();
  if (cancelled) {
    throw Error(ErrorKind::failed, "cancelled; " + path + " keeps the " +
                                       std::to_string(calibration.n()) +
                                       " cases that are done, the same command goes on");
  }
  if (given.has("--json")) {
    print_json({{"out", path},
                {"n", calibration.n()},
                {"resumed", before},
                {"columns", calibration.columns.size()},
                {"layers", calibration.layers},
                {"shard", shard_json(calibration.shard)},
                {"cost", cost_json(cost)}});
    return 0;
  }
  print_best(calibration);
  std::cout << calibration.columns.size() << " columns x " << calibration.layers
            << " layers, n = " << calibration.n() << " cases, query "
            << to_string(calibration.settings.query) << ", budget " << calibration.settings.budget
            << ", written to " << path << "\n";
  if (before > 0) std::cout << before << " cases were there already\n";
  if (cost.cases > 0) {
    std::cout << "cost: " << seconds_text(cost.seconds) << " for " << cost.cases << " cases; "
              << count_text(static_cast<std::int64_t>(cost.full_evaluations))
              << " full evaluations of " << fixed(1e3 * cost.full_evaluation_seconds, 1)
              << " ms would take "
              << seconds_text(cost.full_evaluations * cost.full_evaluation_seconds) << ": "
              << percent_text(cost.share()) << "\n";
  }
  if (calibration.n() < kFewCases) {
    std::cout << "few cases: take the table with care below " << kFewCases << "\n";
  }
  return 0;
}

constexpr Option kOptions[] = {
    {"--out", "FILE", "the calibration; a file that is there already is gone on with"},
    kCasesOption,
    {"--count", "N", "needle cases to make (default 64)"},
    kPoliciesOption,
    {"--budget", "N", "tokens per kv head of the disturbed layer (default 64)"},
    {"--phases", "WORD", "prefill, decode or both (default both)"},
    kQueryOption,
    kHeadsOption,
    kShardOption,
    {"--restart", "", "begin anew where --out exists"},
};

}  // namespace

const Word kCalibrateWord = {
    "calibrate",
    "What every policy does to every layer, phase by phase, everything else at full cache.",
    "",
    kOptions,
    run,
    "Writes polykv-calibration/1: cosine, NLL, recall, eviction error and kept mass per layer, "
    "phase\n"
    "and policy, and the layer signals, with n and standard errors. `route`, `allocate` and "
    "`tune`\n"
    "read it. Ctrl+C keeps what is done; the same command goes on."};

}  // namespace polykv
