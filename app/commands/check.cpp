// `check`: the engine's self-check lights.
#include <algorithm>
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/score/self_check.h"

namespace polykv {
namespace {

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  progress.show(0, "checking");
  const std::vector<CheckLight> lights = self_check(model);
  const bool all_ok = !lights.empty() && std::all_of(lights.begin(), lights.end(),
                                                     [](const CheckLight& l) { return l.ok; });
  Json list = Json::array();
  Table table({"light", "state", "what", "measured"});
  for (const CheckLight& light : lights) {
    list.push_back(
        {{"id", light.id}, {"what", light.what}, {"ok", light.ok}, {"measured", light.measured}});
    table.add({light.id, light.ok ? "OK" : "FAILED", light.what, light.measured});
  }
  if (given.has("--json")) {
    print_json({{"ok", all_ok}, {"lights", list}});
  } else {
    table.print(std::cout, true);
  }
  return all_ok ? 0 : 1;
}

}  // namespace

const Word kCheckWord = {
    "check", "Self-check of the engine; exit code 1 when a light fails.", "", {}, run};

}  // namespace polykv
