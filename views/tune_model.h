#pragma once
// What the tune panel shows, as plain numbers and words. Pure.
#include <string>
#include <vector>

#include "core/budgets/allocator.h"
#include "views/frame.h"

namespace polykv {

// Numbers rest on fewer cases than this: the panel says so.
constexpr int kFewCases = 20;

struct TuneCell {
  MeanError value;
  double shade = 0;      // 0 the worst of the table, 1 the best; square root of the distance
  bool best = false;     // of its layer
  bool near = false;     // its 95% interval meets that of the best
  bool in_plan = false;  // the layer has this policy now
  std::string text;      // ".981", at most three digits
};

struct TuneColumn {
  std::string policy, code;
  std::string refusal;  // why the plan cannot take it; empty = it can
};

struct SignalPoint {
  MeanError value;
  float at = 0, low = 0, high = 0;  // share of the axis: mean and mean -+ standard error
};

struct CalibrationView {
  std::string missing;         // why there is no table, in one sentence; empty = there is one
  bool can_start = false;      // cases are there: Calibrate is offered
  std::string stamp, warning;  // "n = 16, 64 tokens a layer, agnostic"; few cases, another query
  const CellMeasure* measure = nullptr;
  std::vector<TuneColumn> columns;
  std::vector<std::vector<TuneCell>> rows;  // [layer][column]
  std::vector<std::string> bar;             // numbers of the colour bar: worst, at its middle, best
  std::vector<SignalPoint> signal;          // per layer
  std::string signal_name, signal_low, signal_high;
};

struct Suggestion {
  int layer = 0;
  std::string policy, code, sentence;
  bool agrees = false, locked = false;
  bool near = false;  // the plan's own policy is as good within error; the sentence says so
};

struct SuggestView {
  std::string missing;
  std::string note;  // "4 of 6 layers differ, by cosine"
  std::vector<Suggestion> layers;
  int open = 0;  // layers that Apply all changes
};

// A number on an axis that ends before some of the controls do.
struct AxisMark {
  enum class Kind { plan, control, full, single, start } kind = Kind::control;
  std::string name, text;  // "random", "6.10"
  double value = 0;
  float at = 0;  // share of the axis, clipped to [0, 1]
  int off = 0;   // -1 below the axis, 1 above it
};

struct SearchStepLine {
  int evaluation = 0;
  std::string edit, value;
  double cost = 0;  // the number the search was asked to better
  float at = 0;     // its share of the value axis
};

struct ReportLine {
  std::string name, recall, nll, gap;
  bool strong = false;  // the plan found
};

struct SearchView {
  std::string missing;  // why none can start; empty = Search is offered
  bool there = false, running = false;
  std::string axis;      // "answer NLL, nats, search half, n = 8"
  std::string headline;  // "0.61 to 0.32 in 143 plans"
  std::string note;      // what is going on, or why there is no report
  int evaluations = 0;   // at the right end of the plot
  std::vector<SearchStepLine> steps;
  std::vector<AxisMark> marks;  // start and controls
  std::string low, high;        // ends of the value axis
  std::vector<ReportLine> report;
  std::string report_stamp, report_note, warning;
  bool can_apply = false;  // the best plan differs from the one in hand
};

struct AuditView {
  std::string missing;
  bool there = false, running = false;
  std::string headline, words, stamp, warning;
  std::vector<int> bins;              // counts; equal parts of the axis [bins_low, bins_high]
  float bins_low = 0, bins_high = 1;  // shares of the whole axis
  int most = 0;
  std::string low, high, axis;
  std::vector<AxisMark> marks;  // the plan first
};

struct TuneModel {
  CalibrationView calibration;
  SuggestView suggestions;
  SearchView search;
  AuditView audit;
};

// Makes ui.tune_model anew when what it is made of changed; once per frame before any draw_.
void prepare_tune(const Snapshot& now, Ui& ui);
TuneModel condense_tune(const Snapshot& now, const Ui& ui);
CalibrationView condense_calibration(const Snapshot& now, const Ui& ui);
SuggestView condense_suggestions(const Snapshot& now, const Ui& ui);
SearchView condense_search(const Snapshot& now, const Ui& ui);
AuditView condense_audit(const Snapshot& now, const Ui& ui);

// What stands in the way of any measuring, in one sentence; "" when nothing does.
std::string nothing_to_measure(const Snapshot& now, const Ui& ui);
// Whether the worker does a job of the tune panel, and which one was asked last.
bool tuning(const Snapshot& now);
// Tokens of a layer that a calibration is made with: as chosen, or the plan's mean budget.
int calibration_budget(const Ui& ui);

// What the panel and the Tune menu do. Plans change as one undo step.
void start_calibration(Frame& f);
void start_search(Frame& f);
void start_audit(Frame& f);
// A policy for one layer in the band's phase; a locked layer stays and the log line says so.
void give_policy(Frame& f, int layer, const std::string& policy);
// What the calibration suggests, for every unlocked layer.
void apply_suggestions(Frame& f);
void apply_best(Frame& f);  // of the search

// ".981", "1.0", "−.02", "12", "—": at most three digits.
std::string cell_text(double value);

}  // namespace polykv
