#pragma once
// Where the panels of the Tune layout stand (look.md, section 7). Pure.
#include "views/frame.h"

namespace polykv {

struct WindowLayout {
  Rect menu, context, cases, prompt, heatmap, keep_map, scores, pareto, layers, log;
  bool small = false;  // the measures of section 11
};

// width, height: device pixels; layer_count: rows of the keep map; tall: the place of the keep map
// holds the tune panel, which takes room from the heatmap.
WindowLayout lay_out(const Theme& t, float width, float height, int layer_count, bool tall = false);

}  // namespace polykv
