#include "views/cases_model.h"

#include <algorithm>

#include "views/widgets.h"

namespace polykv {

namespace {

// "0", "0.25", "0.5": at most two digits, no zeros at the end.
std::string depth_text(double depth) {
  std::string text = format_number(depth, 2);
  while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
    const bool point = text.back() == '.';
    text.pop_back();
    if (point) break;
  }
  return text;
}

}  // namespace

CasesModel condense_cases(const Snapshot& now, const Ui& ui) {
  CasesModel out;
  const bool reading = now.work.kind == Work::loading || now.work.kind == Work::prefill;
  if (reading) out.busy = static_cast<float>(now.work.share);
  if (!now.cases || now.cases->cases.empty()) {
    if (reading)
      out.empty = now.work.kind == Work::loading ? "Opening the model." : "Reading the cases.";
    else if (!now.model)
      out.empty = "No model is open.";
    else
      out.empty = "No needle cases. Make 16 in about 3 s.";
    out.can_make = !reading && now.model;
    return out;
  }
  out.stale = ui.pill != Pill::exact && ui.pill != Pill::none;

  int shortest = now.cases->cases.front().context, longest = shortest;
  for (std::size_t i = 0; i < now.cases->cases.size(); ++i) {
    const CaseText& text = now.cases->cases[i];
    shortest = std::min(shortest, text.context);
    longest = std::max(longest, text.context);
    CaseRow row;
    row.index = std::to_string(i + 1);
    row.depth = depth_text(text.source.depth);
    row.keys = std::to_string(text.source.keys);
    row.answer = text.gold;
    row.answer.erase(0, std::min(row.answer.find_first_not_of(" \n"), row.answer.size()));
    if (now.scored && now.results && i < now.results->size()) {
      row.full = (*now.results)[i].full_correct ? Mark::right : Mark::wrong;
      row.plan = (*now.results)[i].correct ? Mark::right : Mark::wrong;
    }
    out.rows.push_back(std::move(row));
  }
  out.stamp = "n = " + format_count(static_cast<long long>(out.rows.size())) + " · ";
  if (shortest != longest) out.stamp += format_count(shortest) + " to ";
  out.stamp += format_count(longest) + " tokens";
  return out;
}

float scroll_to_row(float scroll, int row, int rows, float row_height, float view_height) {
  const float top = row * row_height;
  scroll = std::min(scroll, top);
  scroll = std::max(scroll, top + row_height - view_height);
  return std::clamp(scroll, 0.0f, std::max(0.0f, rows * row_height - view_height));
}

}  // namespace polykv
