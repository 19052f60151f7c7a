#pragma once
// Every panel, in the order of the window. draw_window lays them out (look.md, section 7).
#include "views/frame.h"

namespace polykv {

void draw_window(Frame& f, float width,
                 float height);  // menu bar, context bar, panels, band, log line

void draw_menu_bar(Frame& f, Rect area);
void draw_path_field(Frame& f, Rect bar);  // of the File menu, below the bar
void draw_context_bar(Frame& f, Rect area);
void draw_cases(Frame& f, Rect area);   // left, upper: the case set with o / x per case
void draw_prompt(Frame& f, Rect area);  // left, lower: context with the needle framed, answers
void draw_heatmap(Frame& f,
                  Rect area);  // centre: heatmap, key sums, cache strip, whole cache, hover card
void draw_keep_map(Frame& f, Rect area);  // centre, lower: one strip per layer
void draw_heads(Frame& f, Rect area);     // the same place: retrieval heads, in another tab
void draw_tune(Frame& f, Rect area);      // the same place: calibration, search, audit
void use_tune_keys(Frame& f);             // T and A, whichever tab is in front
// The panel of the three with its tabs and a stamp up to stamp_right; returns the body.
Rect draw_lower_panel(Frame& f, Rect area, const std::string& stamp, float stamp_right,
                      float busy = -1);
void draw_scores(Frame& f, Rect area);  // right, upper
void draw_pareto(Frame& f, Rect area);  // right, lower: runs and controls, recall against KV bytes
void draw_layers(Frame& f, Rect area);  // bottom band
void draw_log_line(Frame& f, Rect area);
void draw_opening_card(Frame& f, float width, float height);  // pre-flight, over everything
void draw_key_sheet(Frame& f, float width, float height);     // F1

}  // namespace polykv
