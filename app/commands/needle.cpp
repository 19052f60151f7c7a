// `needle`: recall over a grid of context lengths and needle depths.
#include "core/probe/needle.h"

#include <iostream>
#include <map>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/error.h"
#include "core/score/live_scorer.h"

namespace polykv {
namespace {

struct Cell {
  std::string plan, task;
  int length = 0;
  double depth = 0;
  int right = 0, n = 0;
};

struct Grid {
  std::vector<int> lengths;
  std::vector<double> depths;
  std::vector<std::string> tasks;
  int repeats = 1;
  std::uint64_t seed = 1;
};

Grid read_grid(const Options& given, const Model& model) {
  Grid grid;
  grid.lengths = given.integers("--lengths", "256,512", 1, model.shape().max_tokens);
  grid.depths = given.numbers("--depths", "0,0.25,0.5,0.75,1", 0, 1);
  grid.repeats = given.integer("--repeats", 1, 1, 100000);
  grid.seed = given.seed(1);
  std::string list = given.text("--task", "single") + ",";
  for (std::size_t at; (at = list.find(',')) != std::string::npos; list.erase(0, at + 1)) {
    const std::string task = list.substr(0, at);
    if (task != "single" && task != "multikey") {
      throw Error(ErrorKind::usage, "--task: expected single or multikey, not '" + task + "'" +
                                        did_you_mean(task, {"single", "multikey"}));
    }
    grid.tasks.push_back(task);
  }
  return grid;
}

// The cases of one length and task, depth by depth, `repeats` of each.
std::vector<Case> make_column(const Grid& grid, int length, const std::string& task,
                              const Tokenizer& tokenizer) {
  std::vector<Case> cases;
  NeedleSettings settings;
  settings.context_tokens = length;
  settings.keys = task == "single" ? 1 : 4;
  settings.seed = grid.seed;
  for (const double depth : grid.depths) {
    settings.depth = depth;
    for (int r = 0; r < grid.repeats; ++r) {
      cases.push_back(make_needle_case(settings, tokenizer));
      ++settings.seed;
    }
  }
  return cases;
}

void count_right(const Grid& grid, const std::vector<CaseResult>& results, bool full, Cell like,
                 std::vector<Cell>& cells) {
  for (std::size_t d = 0; d < grid.depths.size(); ++d) {
    like.depth = grid.depths[d];
    like.right = 0;
    like.n = grid.repeats;
    for (int r = 0; r < grid.repeats; ++r) {
      const CaseResult& result = results[d * static_cast<std::size_t>(grid.repeats) + r];
      like.right += full ? result.full_correct : result.correct;
    }
    cells.push_back(like);
  }
}

// One table per plan and task: depths down, lengths across.
void print_grids(const Grid& grid, const std::vector<Cell>& cells) {
  std::vector<std::pair<std::string, std::string>> order;
  std::map<std::pair<std::string, std::string>, std::map<double, std::map<int, std::string>>> grids;
  for (const Cell& cell : cells) {
    const auto key = std::make_pair(cell.plan, cell.task);
    if (!grids.count(key)) order.push_back(key);
    grids[key][cell.depth][cell.length] = std::to_string(cell.right) + "/" + std::to_string(cell.n);
  }
  for (const auto& key : order) {
    std::cout << key.first << ", " << key.second << " (right answers; depth down, length across)\n";
    std::vector<std::string> head{"depth"};
    for (const int length : grid.lengths) head.push_back(std::to_string(length));
    Table table(head);
    for (auto& [depth, row] : grids[key]) {
      std::vector<std::string> line{fixed(depth, 2)};
      for (const int length : grid.lengths) line.push_back(row[length]);
      table.add(line);
    }
    table.print(std::cout);
    std::cout << "\n";
  }
}

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  const Grid grid = read_grid(given, *model);
  std::vector<Plan> plans;
  for (const std::string& argument : given.all("--plan")) {
    plans.push_back(read_plan_option(argument, query_option(given), given, *model));
  }
  std::vector<Cell> cells;
  std::vector<Case> written;
  for (const std::string& task : grid.tasks) {
    for (const int length : grid.lengths) {
      const std::vector<Case> cases = make_column(grid, length, task, model->tokenizer());
      written.insert(written.end(), cases.begin(), cases.end());
      LiveScorer scorer(model);
      scorer.set_cases(cases, progress.callback());
      const Cell like{"full", task, length};
      if (plans.empty()) {
        scorer.score(read_plan_option("full", query_option(given), given, *model));
        count_right(grid, scorer.results(), true, like, cells);
      }
      for (std::size_t p = 0; p < plans.size(); ++p) {
        progress.show(static_cast<double>(p) / static_cast<double>(plans.size()),
                      plans[p].name + " at " + std::to_string(length) + " tokens");
        scorer.score(plans[p]);
        if (p == 0) count_right(grid, scorer.results(), true, like, cells);
        count_right(grid, scorer.results(), false, {plans[p].name, task, length}, cells);
      }
    }
  }
  if (given.has("--write-cases")) {
    write_cases(given.text("--write-cases"), written, model->tokenizer());
  }
  if (!given.has("--json")) {
    print_grids(grid, cells);
    return 0;
  }
  Json rows = Json::array();
  for (const Cell& cell : cells) {
    const Estimate recall = wilson(cell.right, cell.n);
    rows.push_back({{"plan", cell.plan},
                    {"length", cell.length},
                    {"depth", cell.depth},
                    {"task", cell.task},
                    {"recall", recall.value},
                    {"low", recall.low},
                    {"high", recall.high},
                    {"n", cell.n}});
  }
  print_json({{"rows", rows}});
  return 0;
}

constexpr Option kOptions[] = {
    {"--plan", "P", "plan file or POLICY:BUDGET[+ALLOCATOR]; may be given several times"},
    kSignalOption,
    {"--lengths", "LIST", "context lengths in tokens (default 256,512)"},
    {"--depths", "LIST", "0 = needle first, 1 = last (default 0,0.25,0.5,0.75,1)"},
    {"--repeats", "N", "cases per cell (default 1)"},
    {"--task", "LIST", "single (one fact) and multikey (four); default single"},
    {"--query", "agnostic|aware", "whether the cut sees the question, for every plan"},
    kHeadsOption,
    {"--write-cases", "FILE", "also write the cases as JSON lines"},
};

}  // namespace

const Word kNeedleWord = {"needle", "Recall over a grid of context lengths and needle depths.", "",
                          kOptions, run};

}  // namespace polykv
