#pragma once
// Pieces of the bottom band, shared by layers*.cpp.
#include "views/layers_model.h"

namespace polykv {

// One column of the band, in device pixels.
struct BandColumn {
  int layer = 0;
  Rect area;  // the whole column, from under the title row to the foot
  Rect bar;   // the track
  float name_y = 0, chip_y = 0, mass_y = 0;
  bool beside = false;       // the value stands beside the bar (else above it)
  bool value_shown = false;  // too narrow: on hover and selection only
  bool kib_shown = false;
  bool hovered = false;
};

// Columns across the band; a selected column never shrinks below 64.
std::vector<BandColumn> lay_out_columns(const Theme& t, Rect band, const BandModel& model);

// The mouse on a bar: press selects, moving drags, Escape goes back. Before anything is drawn, so
// that the frame of a drag shows its result.
void drag_bar(Frame& f, const BandModel& model, const BandColumn& column);
// Track, fill, protected floor, handle, old value.
void draw_bar(Frame& f, const BandModel& model, const BandColumn& column);
// Name with lock, policy chip and the kept mass row. True when the chip was pressed.
bool draw_column_head(Frame& f, const BandModel& model, const BandColumn& column);
// Value, share and KiB, or the text field while a value is typed.
void draw_value(Frame& f, const BandModel& model, const BandColumn& column);
// Sets a layer's budget by the rules of the band, never below what its policy protects.
void drag_to(Frame& f, const BandModel& model, int layer, int budget);

// The parameters of the selected layer's policy as words in a chip, and the popover that edits
// them; returns the width drawn, at most that of `room`.
float draw_params_chip(Frame& f, Rect room);

void toggle_lock(Ui& ui, int layer);

}  // namespace polykv
