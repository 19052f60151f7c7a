#pragma once
// Parts of the heatmap panel and the keep map that share the remembered-token axis.
#include <string>

#include "views/heatmap_model.h"
#include "views/keep_map_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {

constexpr float kLeftGutter = 132, kRightGutter = 80;  // logical pixels, both panels

constexpr double kNeedleView = 160;  // tokens in sight after a jump to the needle

// What one frame of the heatmap panel shows; the tile belongs to cut.layer.
struct HeatScene {
  const CaseText& text;
  const HeatTile& tile;
  LayerCut cut;
  int kv_head = 0, hidden_sinks = 0;
  TokenAxis axis;
  Rect map, sums, strip, ticks, whole;
};

// Head chip, hide sinks, pooling and scale, right-aligned in the title row; returns the left edge.
float draw_heatmap_controls(Frame& f, Rect area);
void draw_heatmap_stamp(const Frame& f, const HeatScene& s, Rect area, float right);
// Home: everything. n: the needle. [ and ]: the head. Esc: unpin.
void use_heatmap_keys(Frame& f);

// Wheel zoom at the pointer, drag to pan, shift-drag box; changes ui.heat. `clicked`: pressed and
// let go without a drag.
struct AxisInput {
  bool hovered = false, clicked = false;
};
AxisInput use_axis(Frame& f, const char* id, Rect area, const TokenAxis& axis, int tokens);
TokenAxis shared_axis(const Ui& ui, int tokens, float x, float w);

// Kept solid, evicted hatched; sink and recent in their colours. Gaps of 1 px from 4 px a token.
void draw_lane(const Theme& t, Rect lane, const TokenAxis& axis, const LayerCut& cut, int kv_head);
// One lane, or one per kv head with 2 px between where their sets differ and there is room.
void draw_lanes(const Theme& t, Rect area, const TokenAxis& axis, const LayerCut& cut, int kv_head);
// Yellow frames round the needles, outside `area` by `outset`; the asked fact is the strong one.
void draw_needles(const Theme& t, Rect area, const TokenAxis& axis, const Case& source,
                  float outset);
// Position numbers under the axis, named at the left.
void draw_ticks(const Theme& t, Rect area, const TokenAxis& axis, int tokens);

void draw_key_sums(Frame& f, const HeatScene& s);
void draw_cache_strip(Frame& f, const HeatScene& s);
void draw_whole_cache(Frame& f, const HeatScene& s);

// The card of one cell; (x, y) is the pointer or the pinned cell, `avoid` is never covered.
void draw_hover_card(Frame& f, const HeatScene& s, HeatCell cell, float x, float y, Rect avoid,
                     bool pinned);
// Top left corner of a card 12 px from (x, y), flipped at the screen's edges, beside `avoid`.
ImVec2 place_card(float x, float y, float w, float h, ImVec2 screen, Rect avoid, float gap);
// Tool tip of one token in one layer's cache.
void draw_token_tip(Frame& f, const LayerCut& cut, int kv_head, int token,
                    const std::string& extra);

}  // namespace polykv
