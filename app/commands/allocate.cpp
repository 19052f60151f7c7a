// `allocate`: a total and a layer signal become budgets.
#include <algorithm>
#include <iostream>
#include <optional>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "app/commands/tuning.h"
#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/signals/layer_signals.h"

namespace polykv {
namespace {

constexpr Option kOptions[] = {
    {"--allocator", "ID", "how the total is shared, see `policies`"},
    {"--total", "N", "sum of the budgets: tokens per kv head, all layers together"},
    {"--signal", "FILE|ID", "JSON numbers, one per layer, or a signal of `policies` to measure"},
    {"--calibration", "FILE", "what `calibrate` wrote, instead of --signal"},
    kShareByOption,
    {"--layers", "N", "number of layers, for allocators without a signal"},
    {"--floor", "N", "fewest tokens of a layer (default 1; error: 32)"},
    {"--cap", "N", "most tokens of a layer (default none; error: 3 times the mean)"},
    {"--beta", "X", "pyramid: the last layer gets 1/beta of the mean (default 20)"},
    {"--window", "N", "pyramid: tokens below the slope; measured signals: last queries"},
    {"--eps", "X", "proportional: added to every value (default 1e-6)"},
    {"--tau", "X", "zigzag: share of the attention mass to hold (default 0.9)"},
    {"--tau1", "X", "cake: entropy counts with the power 1/tau1 (default 1)"},
    {"--tau2", "X", "cake: variance counts with the power 1/tau2 (default 1)"},
    {"--cases", "FILE", "measured signals: JSON lines; without it 16 needle cases are made"},
    kQueryOption,
    {"--cut", "P", "evicted_mass, output_error: POLICY:BUDGET (default snapkv:32)"},
    {"--sum-steps", "", "output_error: sum over the decode steps, not their mean"},
    {"--write-signal", "FILE", "also write the signal, to be read by --signal"},
};

// The options that are parameters of the allocator; what belongs to others is refused.
Params read_params(const Options& given, const Allocator& allocator, bool measures) {
  Params params;
  for (const char* name : {"floor", "cap", "beta", "window", "eps", "tau", "tau1", "tau2"}) {
    const std::string option = std::string("--") + name, word = name;
    if (!given.has(option)) continue;
    const auto spec = std::find_if(allocator.params.begin(), allocator.params.end(),
                                   [&](const ParamSpec& each) { return word == each.name; });
    if (spec != allocator.params.end()) {
      params[word] = spec->kind == ParamKind::integer
                         ? given.integer(option, 0, int(spec->low), int(spec->high))
                         : given.number(option, 0, spec->low, spec->high);
    } else if (word != "floor" && word != "cap" && !(word == "window" && measures)) {
      throw Error(ErrorKind::usage,
                  option + " is no parameter of the allocator '" + allocator.id + "'");
    }
  }
  return params;
}

SignalSettings read_settings(const Options& given, const Model& model) {
  SignalSettings settings;
  settings.query = *query_from(given.choice("--query", "agnostic", {"agnostic", "aware"}));
  settings.window = given.integer("--window", settings.window, 1, 1 << 20);
  settings.sum_steps = given.has("--sum-steps");
  settings.seed = given.seed(0);
  if (given.has("--cut")) {
    settings.cut = plan_from_argument(given.text("--cut"), target_of(model), settings.query)
                       .of(Phase::prefill)[0];
  }
  return settings;
}

struct GivenSignal {
  Signal signal;
  std::optional<MeasuredSignal> measured;
};

GivenSignal measure(const Options& given) {
  const std::string id = given.text("--signal");
  const bool all_parts = id == "attention";
  std::vector<std::string> known = {"attention"};
  for (const LayerSignal& row : layer_signals()) known.push_back(row.id);
  if (std::find(known.begin(), known.end(), id) == known.end()) {
    throw Error(ErrorKind::usage,
                "--signal: '" + id + "' is neither a file nor a signal" + did_you_mean(id, known));
  }
  ProgressLine progress;
  const auto model = open_model(given, progress);
  const std::vector<Case> cases = read_case_set(given, *model, 16);
  const SignalSettings settings = read_settings(given, *model);
  GivenSignal result;
  if (all_parts) {
    result.signal = measure_attention(*model, cases, settings, progress.callback());
  } else {
    result.measured = measure_signals(*model, cases, {id}, settings, progress.callback())[0];
    result.signal.values = result.measured->mean;
  }
  return result;
}

GivenSignal calibrated(const Options& given, const Allocator& allocator) {
  const Calibration calibration = read_calibration(given.text("--calibration"));
  const std::string id =
      allocator.needs & kVariance
          ? "attention"
          : given.choice("--share-by", "entropy", calibration_signal_ids(calibration));
  return {calibration_signal(calibration, id), std::nullopt};
}

GivenSignal read_given_signal(const Options& given, const Allocator& allocator, bool measures) {
  GivenSignal result;
  if (measures) {
    result = measure(given);
  } else if (given.has("--calibration")) {
    result = calibrated(given, allocator);
  } else if (given.has("--signal")) {
    result.signal = read_signal(given.text("--signal"));
  }
  const int layers = given.integer("--layers", result.signal.layers(), 1, 100000);
  if (result.signal.layers() > 0 && layers != result.signal.layers()) {
    throw Error(ErrorKind::usage, "--layers: the signal has " +
                                      std::to_string(result.signal.layers()) + " layers, not " +
                                      std::to_string(layers));
  }
  if (result.signal.layers() == 0) {
    if (allocator.needs != kNoPart) {
      throw Error(ErrorKind::usage,
                  std::string("--signal is missing, or --calibration: the allocator '") +
                      allocator.id + "' shares by a signal of the layers");
    }
    if (layers == 0) throw Error(ErrorKind::usage, "--layers is missing, or --signal");
    result.signal.values.assign(layers, 1.0);
  }
  return result;
}

void print_table(const std::vector<int>& budgets, int total, const GivenSignal& given,
                 bool show_values) {
  std::vector<std::string> head = {"layer"};
  if (show_values) head.push_back(given.measured ? given.measured->id : "value");
  if (given.measured) head.push_back("standard error");
  head.push_back("budget");
  Table table(head);
  for (std::size_t l = 0; l < budgets.size(); ++l) {
    std::vector<std::string> row = {std::to_string(l)};
    if (show_values) row.push_back(fixed(given.signal.values[l], 5));
    if (given.measured) row.push_back(fixed(given.measured->standard_error[l], 5));
    row.push_back(std::to_string(budgets[l]));
    table.add(row);
  }
  table.print(std::cout);
  std::cout << "total " << total;
  if (given.measured) std::cout << "; signal measured on " << given.measured->n << " cases";
  std::cout << "\n";
}

int run(const Options& given) {
  given.require("--allocator");
  given.require("--total");
  std::vector<std::string> ids;
  for (const Allocator& row : allocators()) ids.push_back(row.id);
  const Allocator& allocator = find_allocator(given.choice("--allocator", "", ids));
  one_of(given, {"--signal", "--calibration"}, "");
  if (given.has("--share-by") && !given.has("--calibration")) {
    throw Error(ErrorKind::usage, "--share-by goes with --calibration");
  }
  const bool measures = given.has("--signal") && !names_a_file(given.text("--signal"));
  const int total = given.integer("--total", 0, 1, 2'000'000'000);
  const Params params = read_params(given, allocator, measures);
  Limits limits;
  limits.floor = given.integer("--floor", limits.floor, 0, 10'000'000);
  limits.cap = given.integer("--cap", limits.cap, 0, 10'000'000);
  const GivenSignal signal = read_given_signal(given, allocator, measures);
  const std::vector<int> budgets = allocator.share(total, signal.signal, limits, params);
  if (given.has("--write-signal")) {
    write_file_atomic(given.text("--write-signal"), signal_json(signal.signal).dump() + "\n");
  }
  if (!given.has("--json")) {
    print_table(
        budgets, total, signal,
        (given.has("--signal") || given.has("--calibration")) && !signal.signal.values.empty());
    return 0;
  }
  Json answer = {{"budgets", budgets}, {"total", total}, {"allocator", allocator.id}};
  if (signal.measured) {
    answer["signal"] = {{"id", signal.measured->id},
                        {"values", signal.measured->mean},
                        {"standard_error", signal.measured->standard_error},
                        {"n", signal.measured->n}};
  }
  print_json(answer);
  return 0;
}

}  // namespace

const Word kAllocateWord = {
    "allocate",
    "A total shared over the layers by an allocator.",
    "",
    kOptions,
    run,
    "A signal file is a list with one number per layer, or an object with the parts an allocator\n"
    "reads (see `policies`), one entry per layer: \"values\" and \"variance\" are numbers, "
    "\"curves\"\nhold kept mass or any score with 0, 1, 2, .. tokens (or with those of \"at\"), "
    "\"scores\" those of\nthe tokens; a curve or scores may be a list of rows, one per head. "
    "A measured signal is a mean\nover the cases; --signal attention measures all parts."};

}  // namespace polykv
