#pragma once
// The score rows, condensed from the snapshot: texts, intervals and where they lie on their plot.
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

// One axis of the interval plot: the ceiling is a tick near the right end and better is right.
struct PlotScale {
  double ceiling = 1;
  bool higher_is_better = true;
  double span = 1;           // how much worse than the ceiling the left end is
  bool square_root = false;  // distances from the ceiling as their root: nats span decades
};
// x in [0, width] of a value; the ceiling lies `ceiling_gap` from the right end. Values beyond the
// ends are clipped to them.
float plot_x(const PlotScale& scale, double value, float width, float ceiling_gap);
bool off_plot(const PlotScale& scale, double value, float width, float ceiling_gap);
double nice_span(double at_least);  // the next of 1, 2, 5 times a power of ten

struct ControlMark {
  std::string plan, text;  // "random", "recall 2/16"
  double value = 0;
};

struct ScoreLine {
  std::string id, name, short_name;
  std::string value;               // "12/16", "+0.04", "—"
  std::string under;               // unit, n and the ceiling's value
  std::vector<std::string> notes;  // hover card: meaning, interval, ends of the plot
  bool measured = false, cannot_tell = false;
  Estimate shown;  // on the plot; differences for the NLL
  PlotScale scale;
  std::vector<ControlMark> controls;
};

struct ScoresModel {
  std::string empty;
  std::vector<std::string> stamps;  // the same said ever shorter; the first that fits is drawn
  std::string stale;                // words of the stale pill; empty = the score is of the plan
  std::string stale_short;          // where they do not fit
  float busy = -1;
  std::vector<ScoreLine> lines;
  std::string control_note;  // legend of the rings; empty = no controls
  std::string bytes, bytes_tip;
  double bytes_share = 0;  // of the full cache
  bool bytes_as_planned = true;
  std::string rescore;
};
ScoresModel condense_scores(const Snapshot& now, const Ui& ui);

// Digits after the point, 0 to 3: down to the first digit of the interval's half width, one more
// when that digit is a 1.
int digits_supported(const Estimate& estimate);

}  // namespace polykv
