// `needle`: recall over a grid of context lengths and needle depths.
#include "core/probe/needle.h"

#include <iostream>
#include <map>

#include "app/commands/needle_rows.h"
#include "app/commands/tuning.h"
#include "core/error.h"
#include "core/score/live_scorer.h"

namespace polykv {
namespace {

struct Cell {
  std::string plan, task;
  int length = 0;
  double depth = 0;
  int right = 0, n = 0;
  int row = 0;  // in the whole grid
};

struct Grid {
  std::vector<int> lengths;
  std::vector<double> depths;
  std::vector<std::string> tasks;
  int repeats = 1;
  std::uint64_t seed = 1;
  Shard shard;

  // Cells are dealt out: (task, length) by (task, length), depth by depth.
  bool holds(std::size_t column, std::size_t depth) const {
    return shard.holds(static_cast<int>(column * depths.size() + depth));
  }
};

Grid read_grid(const Options& given, const Model& model) {
  Grid grid;
  grid.lengths = given.integers("--lengths", "256,512", 1, model.shape().max_tokens);
  grid.depths = given.numbers("--depths", "0,0.25,0.5,0.75,1", 0, 1);
  grid.repeats = given.integer("--repeats", 1, 1, 100000);
  grid.seed = given.seed(1);
  grid.shard = shard_option(given);
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

// The cases of one length and task, depth by depth, `repeats` of each; those of this part.
std::vector<Case> make_column(const Grid& grid, std::size_t column, int length,
                              const std::string& task, const Tokenizer& tokenizer) {
  std::vector<Case> cases;
  NeedleSettings settings;
  settings.context_tokens = length;
  settings.keys = task == "single" ? 1 : 4;
  settings.seed = grid.seed;
  for (std::size_t d = 0; d < grid.depths.size(); ++d) {
    settings.depth = grid.depths[d];
    for (int r = 0; r < grid.repeats; ++r, ++settings.seed) {
      if (grid.holds(column, d)) cases.push_back(make_needle_case(settings, tokenizer));
    }
  }
  return cases;
}

// Adds a cell for every depth of this part; first_row: of these depths in the whole grid.
void count_right(const Grid& grid, std::size_t column, const std::vector<CaseResult>& results,
                 bool full, Cell like, int first_row, std::vector<Cell>& cells) {
  std::size_t at = 0;
  for (std::size_t d = 0; d < grid.depths.size(); ++d) {
    if (!grid.holds(column, d)) continue;
    like.depth = grid.depths[d];
    like.right = 0;
    like.n = grid.repeats;
    like.row = first_row + static_cast<int>(d);
    for (int r = 0; r < grid.repeats; ++r) {
      const CaseResult& result = results[at++];
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

// What two parts of one grid must have in common.
Json needle_settings(const Options& given, const Model& model, const Grid& grid,
                     const std::vector<Plan>& plans) {
  std::vector<std::string> prints;
  for (const Plan& plan : plans) prints.push_back(plan_fingerprint(plan));
  return {{"model", model.fingerprint()},
          {"plans", prints},
          {"lengths", grid.lengths},
          {"depths", grid.depths},
          {"repeats", grid.repeats},
          {"tasks", grid.tasks},
          {"seed", grid.seed},
          {"query", given.text("--query")}};
}

Json json_of(const std::vector<Cell>& cells, const Grid& grid, int row_count, Json settings) {
  Json rows = Json::array();
  for (const Cell& cell : cells) {
    const Estimate recall = wilson(cell.right, cell.n);
    rows.push_back({{"row", cell.row},
                    {"plan", cell.plan},
                    {"length", cell.length},
                    {"depth", cell.depth},
                    {"task", cell.task},
                    {"recall", recall.value},
                    {"low", recall.low},
                    {"high", recall.high},
                    {"n", cell.n}});
  }
  return {{"format", kNeedleFormat},
          {"settings", std::move(settings)},
          {"shard", shard_json(grid.shard)},
          {"row_count", row_count},
          {"rows", rows}};
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
  const int depths = static_cast<int>(grid.depths.size());
  const int rows_of_column = depths * (1 + static_cast<int>(plans.size()));
  std::size_t column = 0;
  for (const std::string& task : grid.tasks) {
    for (const int length : grid.lengths) {
      const std::vector<Case> cases = make_column(grid, column, length, task, model->tokenizer());
      const int first_row = static_cast<int>(column) * rows_of_column;
      const std::size_t here = column++;
      if (cases.empty()) continue;
      written.insert(written.end(), cases.begin(), cases.end());
      LiveScorer scorer(model);
      scorer.set_cases(cases, progress.callback());
      const Cell full{"full", task, length};
      if (plans.empty()) {
        scorer.score(read_plan_option("full", query_option(given), given, *model));
        count_right(grid, here, scorer.results(), true, full, first_row, cells);
      }
      for (std::size_t p = 0; p < plans.size(); ++p) {
        progress.show(static_cast<double>(p) / static_cast<double>(plans.size()),
                      plans[p].name + " at " + std::to_string(length) + " tokens");
        scorer.score(plans[p]);
        // Every result also says what the full cache answers.
        if (p == 0) count_right(grid, here, scorer.results(), true, full, first_row, cells);
        count_right(grid, here, scorer.results(), false, {plans[p].name, task, length},
                    first_row + depths * static_cast<int>(p + 1), cells);
      }
    }
  }
  if (given.has("--write-cases")) {
    write_cases(given.text("--write-cases"), written, model->tokenizer());
  }
  const Json json = json_of(cells, grid, static_cast<int>(column) * rows_of_column,
                            needle_settings(given, *model, grid, plans));
  if (given.has("--out")) write_file_atomic(given.text("--out"), json.dump() + "\n");
  if (given.has("--json")) {
    print_json(json);
  } else {
    print_grids(grid, cells);
  }
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
    kShardOption,
    {"--out", "FILE", "write the rows, for `merge`"},
};

}  // namespace

const Word kNeedleWord = {"needle", "Recall over a grid of context lengths and needle depths.", "",
                          kOptions, run};

}  // namespace polykv
