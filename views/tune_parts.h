#pragma once
// Pieces of the tune panel, shared by tune*.cpp. y is a vertical centre.
#include "views/tune_model.h"
#include "views/widgets.h"

namespace polykv {

constexpr float kTuneRow = 28;  // the row of controls above each part

void draw_calibration(Frame& f, const CalibrationView& view, Rect body);
void draw_suggestions(Frame& f, const SuggestView& view, Rect body);
void draw_search(Frame& f, const SearchView& view, Rect body);
void draw_audit(Frame& f, const AuditView& view, Rect body);

// A button whose right edge is `right`, which moves to the left of it; the place is "tune.LABEL".
bool draw_tune_button(Frame& f, const std::string& label, float& right, float y,
                      bool enabled = true);
// A chip that opens a menu, right-aligned as above; the item picked, else -1. The place is
// "tune.ID".
int draw_tune_choice(Frame& f, const std::string& id, const std::string& label, float& right,
                     float y, const std::vector<MenuItem>& items);
// Segments at x, which moves to their right; their places are "tune.WORD".
int draw_tune_segments(Frame& f, const char* id, float& x, float y,
                       const std::vector<std::string>& words, int current);
// Rows [first, last) of `layers` that fit round the selected one, and their height.
struct TuneRows {
  int first = 0, last = 0;
  float h = 0;
};
TuneRows rows_that_fit(float room, int layers, int selected, float least, float most);
// An edge triangle for a mark off the axis: up, down, left or right.
void draw_off_mark(const Theme& t, float x, float y, int dx, int dy, ImU32 color);
// Dark or light, whichever reads on the shade of cividis.
ImU32 ink_on(double shade);

}  // namespace polykv
