#include "core/tune/route.h"

#include <algorithm>
#include <cstdio>

#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/policies/policy.h"
#include "core/suggest.h"

namespace polykv {
namespace {

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  // No sign on a zero.
  const std::string written = text;
  return written.find_first_of("123456789") == std::string::npos && written[0] == '-'
             ? written.substr(1)
             : written;
}

// Three digits after the point, or as many as tell the two apart, up to six.
int digits_that_differ(double a, double b) {
  int digits = 3;
  while (digits < 6 && a != b && fixed(a, digits) == fixed(b, digits)) ++digits;
  return digits;
}

// The measure's name in a sentence.
std::string spoken(const CellMeasure& measure) {
  std::string word = measure.id;
  std::replace(word.begin(), word.end(), '_', ' ');
  if (word.starts_with("nll")) word.replace(0, 3, "NLL");
  return word;
}

// All columns of a phase in one layer, best first; ties in the order of the columns.
std::vector<int> ranked_columns(const Calibration& c, const CellMeasure& measure, bool inverse,
                                int layer, Phase phase) {
  const bool up = measure.more_is_better != inverse;
  std::vector<std::pair<double, int>> order;
  for (const int column : c.columns_of(phase)) {
    const double mean = c.cell(measure, layer, column).mean;
    order.emplace_back(up ? -mean : mean, column);
  }
  std::sort(order.begin(), order.end());
  std::vector<int> columns;
  for (const auto& [cost, column] : order) columns.push_back(column);
  return columns;
}

RouteReason choose(const Calibration& c, const CellMeasure& measure, bool inverse, int layer,
                   Phase phase) {
  const std::vector<int> order = ranked_columns(c, measure, inverse, layer, phase);
  RouteReason reason;
  reason.layer = layer;
  reason.phase = phase;
  reason.policy = c.columns[order[0]].policy;
  reason.value = c.cell(measure, layer, order[0]);
  std::string beside;
  int digits = 3;
  if (order.size() > 1) {
    reason.runner_up = c.columns[order[1]].policy;
    reason.next = c.cell(measure, layer, order[1]);
    digits = digits_that_differ(reason.value.mean, reason.next.mean);
    beside = " against " + fixed(reason.next.mean, digits) + " for " + reason.runner_up;
  }
  reason.sentence = "Layer " + std::to_string(layer) + " goes to " + reason.policy +
                    (phase == Phase::decode ? " while decoding: " : ": ") + spoken(measure) + " " +
                    fixed(reason.value.mean, digits) + beside + ", n = " + std::to_string(c.n()) +
                    (inverse ? " (inverse)." : ".");
  return reason;
}

// The floor of all layers: b_min, or what a chosen policy protects of so small a budget if that is
// more; never above the mean.
int floor_of(const std::vector<LayerChoice>& choices, int wanted, int total) {
  int floor = wanted;
  for (const LayerChoice& choice : choices) {
    const Protected kept = find_policy(choice.policy)->protect(choice.params, wanted, total);
    floor = std::max(floor, kept.sink + kept.recent);
  }
  return std::clamp(floor, 1, std::max(1, total / static_cast<int>(choices.size())));
}

void share(std::vector<LayerChoice>& choices, int total, const Calibration& c,
           const RouteSettings& settings) {
  const int layers = static_cast<int>(choices.size());
  if (total < layers) {
    fail_input("route", "total",
               "is " + std::to_string(total) + ", expected at least one token for each of " +
                   std::to_string(layers) + " layers");
  }
  const Allocator& allocator = find_allocator(settings.allocator);
  Signal signal(std::vector<double>(layers, 1.0));
  if (settings.shares) {
    signal = *settings.shares;
  } else if (allocator.needs != kNoPart) {
    signal = calibration_signal(c, allocator.needs & kVariance ? "attention" : settings.signal);
  }
  Limits limits;
  limits.floor = floor_of(choices, settings.floor, total);
  const std::vector<int> budgets =
      allocator.share(total, signal, limits, settings.allocator_params);
  for (int l = 0; l < layers; ++l) choices[l].budget = budgets[l];
}

}  // namespace

const CellMeasure& find_measure(const std::string& word) {
  std::vector<std::string> known = {"nll"};
  for (const CellMeasure& row : measures()) {
    if (word == row.id || (word == "nll" && row.value == &CellScores::nll_increase)) return row;
    known.emplace_back(row.id);
  }
  throw Error(ErrorKind::usage, "unknown measure '" + word + "'" + did_you_mean(word, known));
}

int best_column(const Calibration& calibration, const CellMeasure& measure, bool inverse, int layer,
                Phase phase) {
  return ranked_columns(calibration, measure, inverse, layer, phase).at(0);
}

Plan route_like(const Calibration& calibration, const Plan& plan, bool inverse) {
  RouteSettings settings;
  settings.inverse = inverse;
  settings.total = plan.total(Phase::prefill);
  if (plan.total(Phase::decode) > 0) settings.decode_total = plan.total(Phase::decode);
  Plan route = make_route(calibration, settings).plan;
  route.query = plan.query;
  return route;
}

Route make_route(const Calibration& calibration, const RouteSettings& settings) {
  const CellMeasure& measure = find_measure(settings.measure);
  if (calibration.cases.empty()) {
    fail_input("calibration", "cases", "holds no case yet; the command that wrote it goes on");
  }
  Route route;
  route.plan = uniform_plan("full", std::nullopt, calibration.layers, calibration.settings.query);
  route.plan.seed = calibration.settings.seed;
  route.plan.name = (settings.inverse ? "inverse-route-" : "route-") + std::string(measure.id);
  if (settings.allocator != "uniform") route.plan.name += "+" + settings.allocator;
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    if (phase == Phase::decode && !settings.decode_total) continue;
    if (calibration.columns_of(phase).empty()) {
      fail_input("calibration", "phases",
                 std::string("holds no ") + to_string(phase) + " column, which this route needs");
    }
    std::vector<LayerChoice>& choices = route.plan.of(phase);
    for (int l = 0; l < calibration.layers; ++l) {
      route.reasons.push_back(choose(calibration, measure, settings.inverse, l, phase));
      choices[l].policy = route.reasons.back().policy;
    }
    share(choices, phase == Phase::prefill ? settings.total : *settings.decode_total, calibration,
          settings);
  }
  return route;
}

}  // namespace polykv
