// `route`: a plan from a calibration, with a sentence per layer.
#include "core/tune/route.h"

#include <iostream>

#include "app/commands/tuning.h"
#include "core/budgets/allocator.h"

namespace polykv {
namespace {

int run(const Options& given) {
  given.require("--calibration");
  given.require("--total");
  const Calibration calibration = read_calibration(given.text("--calibration"));
  RouteSettings settings;
  settings.measure = find_measure(given.text("--signal", "cosine")).id;
  settings.inverse = given.has("--inverse");
  settings.total = given.integer("--total", 0, 1, 2'000'000'000);
  if (given.has("--decode-total")) {
    settings.decode_total = given.integer("--decode-total", 0, 1, 2'000'000'000);
  }
  std::vector<std::string> ids;
  for (const Allocator& row : allocators()) ids.emplace_back(row.id);
  settings.allocator = given.choice("--allocator", settings.allocator, ids);
  if (given.has("--share-by") && names_a_file(given.text("--share-by"))) {
    settings.shares = read_signal(given.text("--share-by"));
  } else {
    settings.signal =
        given.choice("--share-by", settings.signal, calibration_signal_ids(calibration));
  }
  settings.floor = given.integer("--floor", settings.floor, 1, 10'000'000);
  const Route route = make_route(calibration, settings);
  const PlanTarget target{calibration.layers, calibration.kv_heads, calibration.model_fingerprint};
  if (given.has("--out")) write_plan(given.text("--out"), route.plan, target);
  if (!given.has("--json")) {
    for (const RouteReason& reason : route.reasons) {
      const LayerChoice& choice = route.plan.of(reason.phase)[reason.layer];
      std::cout << reason.sentence << " Budget " << *choice.budget << ".\n";
    }
    std::cout << "total " << route.plan.total(Phase::prefill);
    if (settings.decode_total) std::cout << ", decode " << route.plan.total(Phase::decode);
    if (given.has("--out")) std::cout << "; written to " << given.text("--out");
    std::cout << "\n";
    return 0;
  }
  Json reasons = Json::array();
  for (const RouteReason& reason : route.reasons) {
    reasons.push_back({{"layer", reason.layer},
                       {"phase", to_string(reason.phase)},
                       {"policy", reason.policy},
                       {"runner_up", reason.runner_up},
                       {"value", reason.value.mean},
                       {"runner_up_value", reason.next.mean},
                       {"n", reason.value.n},
                       {"sentence", reason.sentence}});
  }
  print_json({{"plan", plan_object(route.plan, target)},
              {"reasons", reasons},
              {"measure", settings.measure},
              {"inverse", settings.inverse},
              {"n", calibration.n()}});
  return 0;
}

constexpr Option kOptions[] = {
    {"--calibration", "FILE", "what `calibrate` wrote"},
    {"--total", "N", "sum of the prefill budgets: tokens per kv head, all layers together"},
    {"--decode-total", "N", "sum of the decode caps; without it nothing is evicted while decoding"},
    {"--signal", "MEASURE", "cosine (default), nll, or another measure of the table"},
    {"--inverse", "", "the worst policy of each layer, as a control"},
    {"--allocator", "ID", "how the total is shared (default uniform)"},
    {"--share-by", "ID|FILE", "a calibration's numbers, as in `allocate`, or a signal file"},
    {"--floor", "N", "fewest tokens of a layer, if the total allows it (default 16)"},
    {"--out", "FILE", "write the plan"},
};

}  // namespace

const Word kRouteWord = {"route",
                         "A plan from a calibration: the policy that disturbs each layer least.",
                         "", kOptions, run};

}  // namespace polykv
