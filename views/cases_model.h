#pragma once
// The case list, condensed from the snapshot.
#include <string>
#include <vector>

#include "views/frame.h"
#include "views/prompt_model.h"  // Mark

namespace polykv {

struct CaseRow {
  std::string index, depth, keys, answer;  // index from 1; answer: the gold one
  Mark full = Mark::none, plan = Mark::none;
};

struct CasesModel {
  std::string empty;      // sentence of the empty state
  bool can_make = false;  // the empty state offers to make cases
  std::string stamp;      // "n = 16 · 950 tokens"
  float busy = -1;        // share of the cases read so far; < 0 = nothing runs
  bool stale = false;     // the plan's marks are not of the plan in hand
  std::vector<CaseRow> rows;
};
CasesModel condense_cases(const Snapshot& now, const Ui& ui);

// First visible row after a move of the selection: as little scrolling as shows it. Pure.
float scroll_to_row(float scroll, int row, int rows, float row_height, float view_height);

}  // namespace polykv
