#pragma once
// The Pareto plot, condensed from the snapshot: recall against KiB kept, its front, its labels.
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

// found: accepted by the search, scored on its half of the cases.
enum class ParetoKind { found, run, control, full, current };

struct ParetoPoint {
  ParetoKind kind = ParetoKind::run;
  std::string plan;
  double kib = 0, recall = 0, low = 0, high = 0;  // recall with its 95% interval, in [0, 1]
  int n = 0;
};

struct ParetoModel {
  std::string empty;
  std::string stamp;                 // what the axes are; what the small rings are
  bool stale = false;                // the current point is not of the plan in hand
  std::vector<ParetoPoint> points;   // found ones first, the current one last, as drawn
  std::vector<int> front;            // indices of the points nothing beats, by KiB; none found
  double low_kib = 1, high_kib = 2;  // ends of the x axis
  std::vector<double> ticks;         // KiB worth a number, the most important first
};
ParetoModel condense_pareto(const Snapshot& now, const Ui& ui);

// Share of the axis, 0 at low_kib and 1 at high_kib; logarithmic.
double pareto_x(const ParetoModel& model, double kib);

// Text boxes of `height`, `gap` away from their marks. Tries right, left, above and below of each
// mark in the order given and leaves a label out (w = 0) rather than let it cover a mark, another
// label or a blocked rectangle, or leave the area.
struct MarkPlace {
  float x = 0, y = 0, radius = 0;
};
struct LabelWish {
  int mark = 0;  // index into the marks
  float width = 0;
};
std::vector<Rect> place_labels(const std::vector<MarkPlace>& marks,
                               const std::vector<LabelWish>& wishes, float height, float gap,
                               Rect area, const std::vector<Rect>& blocked = {});

}  // namespace polykv
