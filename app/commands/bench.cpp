// `bench`: measures one part of the program; the table says which.
#include "app/commands/bench.h"

#include <algorithm>
#include <cmath>

#include "core/cache/engine.h"
#include "core/error.h"

namespace polykv {
namespace {

constexpr const Bench* kBenches[] = {&kEngineBench, &kLiveBench, &kPoliciesBench, &kKernelsBench,
                                     &kTuneBench};

int run(const Options& given) {
  const std::string& what = given.operands().front();
  std::vector<std::string> names;
  std::string known;
  for (const Bench* bench : kBenches) {
    if (what == bench->name) return bench->run(given);
    names.push_back(bench->name);
    known += (known.empty() ? "" : ", ") + names.back();
  }
  throw Error(ErrorKind::usage,
              "unknown bench '" + what + "'; expected one of " + known + did_you_mean(what, names));
}

constexpr Option kOptions[] = {
    {"--cases", "LIST", "sizes of the case set (live 1,16; tune 16,64)"},
    {"--context", "N", "context tokens (live, engine 1024; tune 950)"},
    {"--edits", "N", "live: random edits; tune: plans to score (default 200)"},
    {"--new", "N", "engine: tokens to decode (default 128)"},
    {"--lengths", "LIST", "policies: prompt tokens (default 1024,8192,32768)"},
    {"--limit", "SECONDS", "policies: skip what may take longer a run (default 120)"},
    {"--repeats", "N", "runs of each side, in turns (engine 7, policies 3, kernels 9)"},
    {"--only", "WORD", "engine: embedded (or --model) or random; policies: one policy"},
};

}  // namespace

void run_from_scratch(const Model& model, const std::vector<Case>& cases, const Plan& plan) {
  for (const Case& each : cases) {
    GenerateRequest request;
    request.context = each.context;
    request.question = each.question;
    request.plan = plan;
    request.max_new = static_cast<int>(each.answer.size());
    request.stop_at_eos = false;
    generate(model, request);
  }
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank - 1, 0.0))];
}

const Word kBenchWord = {"bench",
                         "`bench engine`: prefill, decode and loading beside plain LibTorch. "
                         "`bench live`: time from an edit to its exact score. "
                         "`bench policies`: a cut's time beside the layer's attention. "
                         "`bench kernels`: the kernels beside LibTorch. "
                         "`bench tune`: plans per second in search beside runs from scratch.",
                         "engine|live|policies|kernels", kOptions, run};

}  // namespace polykv
