// The heatmap: attention of the selected layer and head, with what the plan evicts.
#include <algorithm>
#include <array>
#include <cmath>

#include "views/heatmap_parts.h"

namespace polykv {
namespace {

constexpr float kRug = 6;          // logical pixels above the map
constexpr float kOverlayFrom = 2;  // pixels a token, below it the rug takes over
constexpr float kBelow = 128;      // key sums, strip, ticks and whole cache
constexpr float kSums = 36;        // dropped from panels lower than kSumsFrom
constexpr float kSumsFrom = 300;
constexpr float kRowText = 13;  // rows this high carry their token
const ImU32 kVeil = IM_COL32(0x0A, 0x0C, 0x10, 61);
const ImU32 kOverlayHatch = IM_COL32(255, 255, 255, 41);

struct Layout {
  Rect map, sums, strip, ticks, whole;
};

Layout lay_out(const Theme& t, Rect area, float top) {
  const float x = area.x + t.px(kLeftGutter);
  const float w = std::max(0.0f, area.w - t.px(kLeftGutter) - t.px(kRightGutter));
  Layout l;
  const float y = top + t.px(kRug + 2);
  const bool sums = area.h >= t.px(kSumsFrom);
  const float below = sums ? t.px(kBelow) : t.px(kBelow - kSums - 12);
  l.map = {x, y, w, std::max(0.0f, area.y + area.h - below - y)};
  l.sums = {x, l.map.y + l.map.h + (sums ? t.px(12) : 0), w, sums ? t.px(kSums) : 0};
  l.strip = {x, l.sums.y + l.sums.h + t.px(9), w, t.px(16)};
  l.ticks = {x, l.strip.y + l.strip.h + t.px(5), w, t.px(22)};
  l.whole = {x, l.ticks.y + l.ticks.h + t.px(8), w, t.px(8)};
  return l;
}

// Text that reads upwards, centred on (x, y): drawn flat, then turned.
void draw_text_up(const Theme& t, ImFont* font, float x, float y, ImU32 color,
                  const std::string& text) {
  ImDrawList* list = ImGui::GetWindowDrawList();
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  const float cx = std::round(screen.x / 2), cy = std::round(screen.y / 2);
  ImGui::PushClipRect(ImVec2(0, 0), screen, false);  // flat text must not lose letters
  const int from = list->VtxBuffer.Size;
  draw_text(t, font, cx, cy, color, text, Align::centre);
  for (int i = from; i < list->VtxBuffer.Size; ++i) {
    ImVec2& p = list->VtxBuffer[i].pos;
    p = ImVec2(x + (p.y - cy), y - (p.x - cx));
  }
  ImGui::PopClipRect();
}

bool is_rank(const HeatUi& heat) { return heat.scale == 2; }

// Pixel bins and rows of the map; rectangles stay countable where indices have 16 bits.
HeatGrid grid_of(const Ui& ui, const HeatScene& s, int* step) {
  const bool wide = ImGui::GetIO().BackendFlags & ImGuiBackendFlags_RendererHasVtxOffset;
  const int rows = std::min(s.tile.rows, static_cast<int>(s.map.h));
  *step = bin_step(static_cast<int>(s.map.w), rows, wide ? 40000 : 9000);
  const HeatScale scale = heat_scale(s.tile, ui.heat.scale, s.hidden_sinks);
  return condense(s.tile, scale, s.axis, (static_cast<int>(s.map.w) + *step - 1) / *step, *step,
                  rows, ui.heat.mean_pool, s.hidden_sinks);
}

void draw_cells(const Frame& f, const HeatScene& s) {
  int step = 1;
  const HeatGrid grid = grid_of(f.ui, s, &step);
  std::array<ImU32, 256> colors;
  for (int i = 0; i < 256; ++i) colors[i] = map_color(f.ui.heat.map, i / 255.0f);
  fill_rect(s.map, f.theme.color.raised);
  ImDrawList* list = ImGui::GetWindowDrawList();
  const float right = std::round(s.map.x + s.map.w);
  for (int r = 0; r < grid.rows; ++r) {
    const float y0 = row_edge(s.map.y, s.map.h, grid.rows, r);
    const float y1 = row_edge(s.map.y, s.map.h, grid.rows, r + 1);
    const std::int16_t* level = &grid.level[static_cast<std::size_t>(r) * grid.columns];
    for (int c = 0; c < grid.columns;) {
      int end = c + 1;
      while (end < grid.columns && level[end] == level[c]) ++end;
      if (level[c] >= 0) {
        const float x0 = std::round(s.map.x) + c * step;
        const float x1 = std::min(right, std::round(s.map.x) + end * step);
        list->AddRectFilled(ImVec2(x0, y0), ImVec2(x1, y1), colors[level[c]]);
      }
      c = end;
    }
  }
}

void draw_overlay(const Frame& f, const HeatScene& s) {
  const Theme& t = f.theme;
  const Rect& m = s.map;
  if (s.axis.token_width() < kOverlayFrom * t.scale) {
    draw_lane(t, {m.x, m.y - t.px(kRug + 2), m.w, t.px(kRug)}, s.axis, s.cut, s.kv_head);
    return;
  }
  const int from = static_cast<int>(s.axis.first);
  const int to = static_cast<int>(std::ceil(s.axis.first + s.axis.count));
  for (const TokenRange& run : evicted_runs(s.cut, s.kv_head, from, to)) {
    const float x0 = std::max(m.x, std::round(s.axis.x_of(run.first)));
    const float x1 = std::min(m.x + m.w, std::round(s.axis.x_of(run.last)));
    fill_rect({x0, m.y, x1 - x0, m.h}, kVeil);
    draw_hatch(t, {x0, m.y, x1 - x0, m.h}, kOverlayHatch, 8);
  }
}

std::string row_text(const std::string& token) {
  return token == " " ? "\u201C \u201D" : visible_text(token);
}

// Groups of asking tokens with a bracket; each row's token where rows are high enough.
void draw_rows(const Frame& f, const HeatScene& s) {
  const Theme& t = f.theme;
  const Rect& m = s.map;
  const int rows = s.tile.rows;
  if (m.h >=
      text_width(t.font.small, "asking token") - t.px(24))  // it may lean into the rows below
    draw_text_up(t, t.font.small, m.x - t.px(118), m.y + m.h / 2, t.color.text3, "asking token");
  const bool named = m.h / std::max(rows, 1) >= t.px(kRowText);
  const struct {
    const char* name;
    int first, last;
  } groups[] = {{"context", 0, s.text.context},
                {"question", s.text.context, s.text.context + s.text.question},
                {"answer", s.text.context + s.text.question, s.cut.tokens}};
  for (const auto& group : groups) {
    const int r0 = std::clamp(group.first - s.tile.first_row, 0, rows);
    const int r1 = std::clamp(group.last - s.tile.first_row, 0, rows);
    if (r0 >= r1) continue;
    const float y0 = row_edge(m.y, m.h, rows, r0), y1 = row_edge(m.y, m.h, rows, r1);
    const float bracket = named ? m.x - t.px(84) : m.x - t.px(6);
    fill_rect({bracket, y0 + t.px(1), t.px(2), y1 - y0 - t.px(2)}, t.color.text3);
    if (r0 > 0) fill_rect({m.x, y0, m.w, t.px(1)}, IM_COL32(255, 255, 255, 102));
    const float middle = (y0 + y1) / 2;
    if (!named) {
      draw_text(t, t.font.small, m.x - t.px(12), middle, t.color.text2, group.name, Align::right);
    } else if (text_width(t.font.small, group.name) <= y1 - y0) {
      draw_text_up(t, t.font.small, bracket - t.px(10), middle, t.color.text2, group.name);
    }
    for (int r = r0; named && r < r1; ++r) {
      const float y = (row_edge(m.y, m.h, rows, r) + row_edge(m.y, m.h, rows, r + 1)) / 2;
      const bool lit = s.tile.first_row + r == f.ui.selected.hover_asking ||
                       s.tile.first_row + r == f.ui.selected.asking;
      draw_text(t, t.font.small, m.x - t.px(8), y, lit ? t.color.text : t.color.text3,
                row_text(s.text.tokens[s.tile.first_row + r]), Align::right, t.px(70));
    }
  }
}

void draw_color_bar(const Frame& f, const HeatScene& s) {
  const Theme& t = f.theme;
  const float x = s.map.x + s.map.w + t.px(16), w = t.px(10), label = x + t.px(18);
  const float h = std::round(s.map.h - t.px(30));
  if (h < t.px(60)) return;
  ImDrawList* list = ImGui::GetWindowDrawList();
  for (float y = 0; y < h; y += 2) {
    list->AddRectFilled(ImVec2(x, s.map.y + y), ImVec2(x + w, s.map.y + std::min(h, y + 2)),
                        map_color(f.ui.heat.map, 1 - (y + 1) / h));
  }
  const HeatScale scale = heat_scale(s.tile, f.ui.heat.scale, s.hidden_sinks);
  for (const ScaleTick& tick : scale_ticks(scale)) {
    const float y = s.map.y + (1 - tick.share) * h;
    const float at = std::clamp(y, s.map.y + t.px(5), s.map.y + h - t.px(5));
    fill_rect({x + w, std::min(std::round(y), s.map.y + h - t.px(1)), t.px(3), t.px(1)},
              t.color.text3);
    draw_text(t, t.font.small, label, at, t.color.text3,
              is_rank(f.ui.heat) && tick.share == 1 ? "rank " + tick.label : tick.label);
  }
  const float y = s.map.y + s.map.h - t.px(7), size = t.px(12);
  fill_rect({x - t.px(1), y - size / 2, size, size}, t.color.ground);
  draw_hatch(t, {x - t.px(1), y - size / 2, size, size}, t.color.text3, 5);
  draw_text(t, t.font.small, label, y, t.color.text3, "evicted", Align::left,
            t.px(kRightGutter - 36));
}

Rect cell_rect(const HeatScene& s, HeatCell cell) {
  const float x0 = std::max(s.map.x, std::round(s.axis.x_of(cell.column)));
  const float x1 = std::min(s.map.x + s.map.w, std::round(s.axis.x_of(cell.column + 1)));
  const float y0 = row_edge(s.map.y, s.map.h, s.tile.rows, cell.row);
  const float y1 = row_edge(s.map.y, s.map.h, s.tile.rows, cell.row + 1);
  return {x0, y0, std::max(x1 - x0, 1.0f), y1 - y0};
}

bool has_cell(const HeatScene& s, int asking, int remembered) {
  return asking >= s.tile.first_row && asking < s.tile.first_row + s.tile.rows && remembered >= 0 &&
         remembered < s.tile.columns;
}

void draw_pin(const HeatScene& s, const Theme& t, HeatCell pin) {
  const Rect r = cell_rect(s, pin);
  if (s.axis.x_of(pin.column + 1) <= s.map.x || s.axis.x_of(pin.column) >= s.map.x + s.map.w)
    return;
  const float two = t.px(2), three = t.px(3);
  draw_frame_rect({r.x - three, r.y - three, r.w + 2 * three, r.h + 2 * three}, IM_COL32_BLACK,
                  t.px(1));
  draw_frame_rect({r.x - two, r.y - two, r.w + 2 * two, r.h + 2 * two}, IM_COL32_WHITE, two);
}

void draw_crosshair(const Frame& f, const HeatScene& s) {
  const Selection& at = f.ui.selected;
  const ImU32 color = (f.theme.color.text & ~IM_COL32_A_MASK) | IM_COL32(0, 0, 0, 102);
  const float one = f.theme.px(1);
  if (at.hover_remembered >= 0) {
    const float x = std::round(s.axis.x_of(at.hover_remembered + 0.5));
    if (x >= s.map.x && x < s.map.x + s.map.w) {
      fill_rect({x, s.map.y, one, s.strip.y + s.strip.h - s.map.y}, color);
    }
  }
  if (has_cell(s, at.hover_asking, 0)) {
    const Rect r = cell_rect(s, {at.hover_asking - s.tile.first_row, 0});
    fill_rect({s.map.x, r.y + std::floor(r.h / 2), s.map.w, one}, color);
  }
}

// The card waits 250 ms after the pointer entered, then follows without delay.
bool hover_delay_over(Frame& f, bool hovered) {
  ImGuiStorage* store = ImGui::GetStateStorage();
  const ImGuiID id = ImGui::GetID("heatmap.hover since");
  if (!hovered) {
    store->SetFloat(id, -1);
    return false;
  }
  const float now = static_cast<float>(ImGui::GetTime());
  if (store->GetFloat(id, -1) < 0) store->SetFloat(id, now);
  const bool over = now - store->GetFloat(id, -1) >= 0.25f;
  if (!over) f.ui.wants_frame = true;
  return over;
}

// Panels set what is under the pointer; whoever was left must not leave it behind. The prompt is
// drawn before this panel and shows the token one frame later.
void forget_hover(Frame& f) {
  const ImGuiIO& io = ImGui::GetIO();
  const auto prompt = f.ui.places.find("panel.prompt");
  Selection& at = f.ui.selected;
  const int before = at.hover_remembered;
  at.hover_asking = -1;
  if (prompt != f.ui.places.end() && prompt->second.contains(io.MousePos.x, io.MousePos.y)) return;
  at.hover_remembered = -1;
  const bool moved = io.MouseDelta.x != 0 || io.MouseDelta.y != 0;
  if (before >= 0 && moved) f.ui.wants_frame = true;
}

// Why there is no map, in words; empty when there is one.
std::string missing(const Frame& f) {
  if (!f.now.model && f.now.work.kind == Work::loading) return "Reading the model.";
  if (!f.now.model) return "No model is open.";
  const CaseText* text = looked_case(f.now);
  if (f.now.work.kind == Work::prefill && !f.now.heat) return "Reading the cases.";
  if (!text) return "No needle cases yet.";
  const HeatTile* tile = f.now.heat.get();
  const bool fits = tile && tile->rows > 0 && tile->case_index == f.now.looked.case_index &&
                    tile->columns <= static_cast<int>(text->tokens.size()) &&
                    tile->first_row + tile->rows <= static_cast<int>(text->tokens.size()) &&
                    tile->values.size() == std::size_t(tile->rows) * tile->columns;
  return fits ? "" : "The attention of this case is on its way.";
}

// Hover, crosshair, pin, box and card: everything the pointer does on the map.
void draw_pointer(Frame& f, const HeatScene& s, const AxisInput& input) {
  const Theme& t = f.theme;
  Selection& at = f.ui.selected;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  HeatCell cell;
  const bool dragging = f.ui.heat.panning || f.ui.heat.boxing;
  if (input.hovered && !dragging) {
    cell = cell_at(s.axis, s.map.y, s.map.h, s.tile.rows, s.tile.columns, mouse.x, mouse.y);
  }
  if (cell.row >= 0) {
    at.hover_asking = s.tile.first_row + cell.row;
    at.hover_remembered = cell.column;
    if (input.clicked) {
      const bool same = at.asking == at.hover_asking && at.remembered == at.hover_remembered;
      at.asking = same ? -1 : at.hover_asking;
      at.remembered = same ? -1 : at.hover_remembered;
    }
  }
  draw_crosshair(f, s);
  const bool pinned = has_cell(s, at.asking, at.remembered);
  const HeatCell pin = {at.asking - s.tile.first_row, at.remembered};
  if (pinned) draw_pin(s, t, pin);
  if (f.ui.heat.boxing) {
    const float x0 = std::min(f.ui.heat.box_x0, f.ui.heat.box_x1);
    const Rect box = {x0, s.map.y, std::max(f.ui.heat.box_x0, f.ui.heat.box_x1) - x0, s.map.h};
    fill_rect(box, (t.color.accent & ~IM_COL32_A_MASK) | IM_COL32(0, 0, 0, 26));
    draw_frame_rect(box, t.color.accent, t.px(2));
  }
  const bool show = hover_delay_over(f, cell.row >= 0);
  const Rect avoid = pinned ? cell_rect(s, pin) : Rect{};
  const bool on_pin = pinned && cell.row == pin.row && cell.column == pin.column;
  if (show && !on_pin) {
    draw_hover_card(f, s, cell, mouse.x, mouse.y, avoid, false);
  } else if (pinned && !dragging && s.axis.x_of(pin.column + 1) > s.map.x &&
             s.axis.x_of(pin.column) < s.map.x + s.map.w) {
    draw_hover_card(f, s, pin, avoid.x + avoid.w, avoid.y + avoid.h, avoid, true);
  }
}

}  // namespace

void draw_heatmap(Frame& f, Rect area) {
  const Theme& t = f.theme;
  f.ui.places["panel.heatmap"] = area;
  const std::string why = missing(f);
  const Work work = f.now.work.kind;
  const bool reading = work == Work::loading || work == Work::prefill;
  const float busy = reading ? static_cast<float>(f.now.work.share) : -1;
  const Rect body = draw_panel(t, area, "Heatmap", "", busy);
  use_heatmap_keys(f);
  if (!why.empty()) {
    draw_empty(t, body, why, "");
    return;
  }
  forget_hover(f);
  const Layout l = lay_out(t, area, body.y - t.px(2));
  const float controls = draw_heatmap_controls(f, area);
  if (l.map.w < t.px(60) || l.map.h < t.px(24)) return;

  const CaseText& text = *looked_case(f.now);
  const HeatTile& tile = *f.now.heat;
  const int tokens = static_cast<int>(text.tokens.size());
  AxisInput input =
      use_axis(f, "heatmap.map", l.map, shared_axis(f.ui, tokens, l.map.x, l.map.w), tokens);
  const Rect lower = {l.sums.x, l.sums.y, l.sums.w, l.ticks.y + l.ticks.h - l.sums.y};
  const AxisInput below =
      use_axis(f, "heatmap.below", lower, shared_axis(f.ui, tokens, l.map.x, l.map.w), tokens);
  const HeatScene scene = {.text = text,
                           .tile = tile,
                           .cut = layer_cut(f.now, f.ui, tile.layer),
                           .kv_head = kv_head_of(tile.head, f.now.model->shape),
                           .hidden_sinks = f.ui.heat.hide_sinks ? kHiddenSinks : 0,
                           .axis = shared_axis(f.ui, tokens, l.map.x, l.map.w),
                           .map = l.map,
                           .sums = l.sums,
                           .strip = l.strip,
                           .ticks = l.ticks,
                           .whole = l.whole};
  f.ui.places["heatmap"] = l.map;
  f.ui.places["strip"] = l.strip;
  f.ui.places["whole_cache"] = l.whole;
  draw_heatmap_stamp(f, scene, area, controls);
  if (below.hovered) {
    const int token = static_cast<int>(scene.axis.token_at(ImGui::GetIO().MousePos.x));
    f.ui.selected.hover_remembered = std::clamp(token, 0, tokens - 1);
  }
  draw_cells(f, scene);
  draw_overlay(f, scene);
  draw_rows(f, scene);
  draw_color_bar(f, scene);
  if (l.sums.h > 0) draw_key_sums(f, scene);
  draw_cache_strip(f, scene);
  draw_ticks(t, l.ticks, scene.axis, tokens);
  draw_whole_cache(f, scene);
  draw_needles(t, l.map, scene.axis, text.source, 0);
  draw_pointer(f, scene, input);
  if (below.hovered && !f.ui.heat.panning && !f.ui.heat.boxing) {
    draw_token_tip(f, scene.cut, scene.kv_head, f.ui.selected.hover_remembered, "");
  }
}

}  // namespace polykv
