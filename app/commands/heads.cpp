// `heads`: the retrieval heads of a model, and what masking them costs.
#include "core/probe/heads.h"

#include <algorithm>
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/error.h"
#include "core/probe/head_mask.h"
#include "core/probe/needle.h"

namespace polykv {
namespace {

constexpr int kCases = 64, kMaskCases = 200, kMaskDraws = 20;
constexpr const char* kLengths = "256,512,950";

struct CaseSet {
  std::vector<Case> cases;
  std::string source;
};

// `count` needle cases over the lengths in turn, at every depth; seeds first, first + 1, ...
CaseSet make_cases(const Options& given, const Model& model, int count, std::uint64_t first) {
  const std::vector<int> lengths =
      given.integers("--lengths", kLengths, 1, model.shape().max_tokens);
  CaseSet set;
  set.source = "needle cases made from seed " + std::to_string(first);
  for (int i = 0; i < count; ++i) {
    NeedleSettings settings;
    settings.context_tokens = lengths[static_cast<std::size_t>(i) % lengths.size()];
    settings.depth = 0.25 * (i / static_cast<int>(lengths.size()) % 5);
    settings.seed = first + static_cast<std::uint64_t>(i);
    set.cases.push_back(make_needle_case(settings, model.tokenizer()));
  }
  return set;
}

CaseSet cases_from(const Options& given, const char* file_option, const Model& model, int count,
                   std::uint64_t first) {
  if (!given.has(file_option)) return make_cases(given, model, count, first);
  const std::string path = given.text(file_option);
  return {read_cases(path, model.tokenizer()), path};
}

// Cases that the heads were not chosen on, unless --cases leaves only its own.
struct MaskRun {
  int top = 0;
  std::uint64_t seed = 0;
  bool held_out = true;
  CaseSet set;
  std::vector<std::string> names;
  std::vector<HeadMask> chosen;
  MaskEffect effect;
};

MaskRun mask(const Options& given, const Model& model, const HeadList& list, const CaseSet& known,
             std::uint64_t seed, ProgressLine& progress) {
  MaskRun run;
  run.top = given.integer("--mask-top", 0, 1, model.shape().layers * model.shape().query_heads);
  run.seed = seed;
  run.held_out = !given.has("--cases") || given.has("--mask-cases");
  const int count = given.integer("--mask-count", kMaskCases, 1, 1000000);
  run.set = run.held_out ? cases_from(given, "--mask-cases", model, count,
                                      seed + static_cast<std::uint64_t>(known.cases.size()))
                         : known;
  std::vector<std::vector<HeadScore>> srh, trh;
  for (const HeadLayer& layer : list.layers) {
    srh.push_back(layer.srh);
    trh.push_back(layer.trh);
  }
  run.names = {"SRH top " + std::to_string(run.top), "TRH top " + std::to_string(run.top)};
  run.chosen = {top_heads(srh, run.top), top_heads(trh, run.top)};
  run.effect =
      mask_effect(model, run.set.cases, run.chosen, seed,
                  given.integer("--mask-draws", kMaskDraws, 2, 10000), progress.callback());
  return run;
}

Json json_of(const HeadMask& heads) {
  Json list = Json::array();
  for (const HeadPlace place : heads) list.push_back({place.layer, place.head});
  return list;
}

Json row_of(const std::string& name, const MaskScore& score) {
  return {
      {"mask", name}, {"recall", json_of(score.recall)}, {"answer_nll", json_of(score.answer_nll)}};
}

Json json_of(const MaskRun& run) {
  Json rows = Json::array({row_of("none", run.effect.none)});
  for (std::size_t m = 0; m < run.names.size(); ++m) {
    rows.push_back(row_of(run.names[m], run.effect.chosen[m]));
    rows.back()["heads"] = json_of(run.chosen[m]);
  }
  rows.push_back(row_of("random, mean of draws", run.effect.random));
  Json draws = Json::array();
  for (std::size_t d = 0; d < run.effect.draws.size(); ++d) {
    draws.push_back(row_of("random " + std::to_string(d + 1), run.effect.draws[d]));
    draws.back()["heads"] = json_of(run.effect.drawn[d]);
  }
  return {{"top", run.top},
          {"cases", run.set.cases.size()},
          {"source", run.set.source},
          {"held_out", run.held_out},
          {"seed", run.seed},
          {"rows", rows},
          {"draws", draws}};
}

void print_matrix(const HeadList& list, const std::string& title,
                  const std::vector<HeadScore> HeadLayer::*scores, bool ranked) {
  double widest = 0;
  std::cout << title << "\n";
  std::vector<std::string> head{"layer"};
  for (int h = 0; h < list.query_heads; ++h) head.push_back("h" + std::to_string(h));
  if (ranked) head.push_back("best first");
  Table table(head);
  for (std::size_t l = 0; l < list.layers.size(); ++l) {
    std::vector<std::string> row{std::to_string(l)};
    for (const HeadScore& score : list.layers[l].*scores) {
      row.push_back(fixed(score.mean, 2));
      widest = std::max(widest, score.spread);
    }
    std::string best;
    for (std::size_t i = 0; i < std::min<std::size_t>(4, list.layers[l].ranked.size()); ++i) {
      best += (i == 0 ? "" : " ") + std::to_string(list.layers[l].ranked[i]);
    }
    if (ranked) row.push_back(list.meaningful(static_cast<int>(l)) ? best : "all 0: no order");
    table.add(row);
  }
  table.print(std::cout);
  std::cout << "largest standard error " << fixed(widest, 3) << "\n\n";
}

void print_mask(const MaskRun& run) {
  std::cout << "masked: query vectors 0 while the answer is fed; " << run.set.cases.size()
            << (run.held_out ? " other cases\n" : " cases, the same that chose the heads\n");
  Table table({"mask", "recall", "answer nll"});
  const auto add = [&](const std::string& name, const MaskScore& score) {
    table.add({name, with_interval(score.recall, 3), with_interval(score.answer_nll, 3)});
  };
  add("none", run.effect.none);
  for (std::size_t m = 0; m < run.names.size(); ++m) add(run.names[m], run.effect.chosen[m]);
  add("random " + std::to_string(run.top) + ", mean of " + std::to_string(run.effect.draws.size()) +
          " draws",
      run.effect.random);
  table.print(std::cout);
  const HeadMask &srh = run.chosen[0], &trh = run.chosen[1];
  const auto shared = std::count_if(srh.begin(), srh.end(), [&](HeadPlace place) {
    return std::find(trh.begin(), trh.end(), place) != trh.end();
  });
  std::cout << "SRH and TRH share " << shared << " of " << run.top << " heads; random ones are "
            << "drawn from all that neither has, their interval is over the draws\n";
}

void warn(const HeadList& list) {
  if (list.few_samples()) {
    std::cerr << kProgram << ": few samples: " << list.n << " right answers, at least "
              << kFewSamples << " make a ranking that can be relied on\n";
  }
  for (std::size_t l = 0; l < list.layers.size(); ++l) {
    if (list.meaningful(static_cast<int>(l))) continue;
    std::cerr << kProgram << ": layer " << l << ": every score is 0, its order says nothing\n";
  }
}

int run(const Options& given) {
  given.require("--out");
  HeadSettings settings;
  settings.form = given.choice("--form", "paper", {"paper", "multiplicity"}) == "paper"
                      ? HeadForm::paper
                      : HeadForm::multiplicity;
  settings.scorer = given.choice("--scorer", "exact", {"exact", "contains"}) == "exact"
                        ? AnswerScorer::exact
                        : AnswerScorer::contains;
  ProgressLine progress;
  const auto model = open_model(given, progress);
  const std::uint64_t seed = given.seed(1);
  const CaseSet set =
      cases_from(given, "--cases", *model, given.integer("--count", kCases, 1, 1000000), seed);
  settings.source = set.source;
  const HeadList list = find_heads(*model, set.cases, settings, progress.callback());
  write_heads(given.text("--out"), list);
  std::optional<MaskRun> masked;
  if (given.has("--mask-top")) masked = mask(given, *model, list, set, seed, progress);
  progress.clear();
  warn(list);
  if (given.has("--json")) {
    Json answer = parse_json(heads_json(list), "heads");
    if (masked) answer["mask"] = json_of(*masked);
    print_json(answer);
    return 0;
  }
  std::cout << list.n << " right answers, " << list.rejected << " rejected (scorer "
            << to_string(settings.scorer) << ")\n\n";
  print_matrix(list,
               "SRH, " + list.form + " form: attention on the asked fact, summed over the answer",
               &HeadLayer::srh, true);
  print_matrix(
      list,
      "TRH: answer tokens whose largest weight is on that very token in the fact, / its length",
      &HeadLayer::trh, false);
  if (masked) print_mask(*masked);
  return 0;
}

constexpr Option kOptions[] = {
    {"--out", "FILE", "where the head list goes (polykv-heads/1)"},
    {"--cases", "FILE", "JSON lines with needles; without it needle cases are made"},
    {"--count", "N", "needle cases to make (default 64)"},
    {"--lengths", "LIST", "their context lengths in tokens (default 256,512,950)"},
    {"--form", "paper|multiplicity", "SRH score that ranks (default paper)"},
    {"--scorer", "exact|contains", "which answers count (default exact)"},
    {"--mask-top", "K", "also score with the K best heads masked, and with K random ones"},
    {"--mask-count", "N", "cases made for that (default 200), other than those above"},
    {"--mask-cases", "FILE", "JSON lines for that instead"},
    {"--mask-draws", "N", "random masks (default 20)"},
};

}  // namespace

const Word kHeadsWord = {"heads", "Finds a model's retrieval heads; tells what masking them costs.",
                         "", kOptions, run};

}  // namespace polykv
