// The keep map: what every layer keeps, one strip per layer, on the heatmap's axis.
#include <algorithm>
#include <cmath>

#include "views/heatmap_parts.h"

namespace polykv {
namespace {

constexpr float kRow = 22, kSelectedRow = 16, kTickRow = 24;

// Tops and heights of the rows: 22 each, else what fits, but never less than 4. Where not all fit,
// a window of layers with the selected one in its middle.
struct Rows {
  float y = 0, h = 0, selected_h = 0;
  int selected = -1, first = 0, last = 0;  // layers [first, last)
  float top(int layer) const {
    const bool after = selected >= first && layer > selected;
    return y + (layer - first) * h + (after ? selected_h - h : 0);
  }
  float height(int layer) const { return layer == selected ? selected_h : h; }
  float bottom() const { return top(last - 1) + height(last - 1); }
};

Rows lay_out(const Theme& t, float y, float room, int layers, int selected) {
  Rows rows{y, t.px(kRow), t.px(kRow), selected, 0, layers};
  if (layers * rows.h <= room) return rows;
  const float even = std::floor(room / layers);
  if (even >= t.px(kSelectedRow)) {
    rows.h = rows.selected_h = even;
    return rows;
  }
  rows.selected_h = t.px(kSelectedRow);
  rows.h = std::max(t.px(4), std::floor((room - rows.selected_h) / std::max(layers - 1, 1)));
  const int fit = 1 + static_cast<int>(std::max(0.0f, room - rows.selected_h) / rows.h);
  rows.first = std::clamp(selected - fit / 2, 0, std::max(0, layers - fit));
  rows.last = std::min(layers, rows.first + fit);
  return rows;
}

// Names of low rows: every second, fourth, ... layer, clear of the selected one's own.
void draw_names(const Theme& t, Rect panel, const Rows& rows) {
  int step = 1;
  while (step * rows.h < t.px(14)) step *= 2;
  for (int layer = rows.first; layer < rows.last; ++layer) {
    const float y = rows.top(layer) + rows.h / 2;
    const bool near = rows.selected >= rows.first && rows.selected < rows.last &&
                      std::abs(y - rows.top(rows.selected) - rows.selected_h / 2) < t.px(16);
    if (layer % step != 0 || near) continue;
    draw_text(t, t.font.small, panel.x + t.px(12), y, t.color.text3, "L" + std::to_string(layer));
  }
}

void draw_legend(const Theme& t, float right, float y) {
  const struct {
    const char* word;
    int kind;
  } items[] = {{"needle", 2}, {"evicted", 1}, {"kept", 0}};
  const float size = t.px(10);
  for (const auto& item : items) {
    right -= text_width(t.font.small, item.word);
    draw_text(t, t.font.small, right, y, t.color.text3, item.word);
    right -= t.px(7) + size;
    const Rect r = {std::round(right), std::round(y - size / 2), size, size};
    if (item.kind == 0) fill_rect(r, t.color.kept, t.px(1));
    if (item.kind == 1) {
      fill_rect(r, t.color.ground);
      draw_hatch(t, r, t.color.text3, 5);
    }
    if (item.kind == 2) draw_frame_rect(r, t.color.needle_fill, t.px(2), t.px(2));
    right -= t.px(18);
  }
}

void draw_row(Frame& f, Rect panel, Rect strip, const TokenAxis& axis, const LayerCut& cut,
              int kv_head, float row_y, float row_h) {
  const Theme& t = f.theme;
  const bool selected = cut.layer == f.ui.selected.layer;
  if (selected) {
    fill_rect({panel.x + t.px(4), row_y, panel.w - t.px(8), row_h}, t.color.wash, t.px(4));
  }
  draw_lanes(t, strip, axis, cut, kv_head);
  if (row_h < t.px(13)) return;
  const float y = strip.y + strip.h / 2;
  const ImU32 ink = selected ? t.color.text : t.color.text2;
  draw_text(t, selected ? t.font.strong : t.font.body, panel.x + t.px(12), y, ink,
            "L" + std::to_string(cut.layer));
  const Policy* policy = find_policy(cut.choice.policy);
  draw_text(t, t.font.mono, panel.x + t.px(62), y, selected ? t.color.text2 : t.color.text3,
            policy ? policy->code : "??");
  draw_text(t, t.font.mono, strip.x - t.px(12), y, ink,
            cut.choice.budget ? format_count(*cut.choice.budget) : "full", Align::right);
  if (cut.kept_mass >= 0) {
    draw_text(t, t.font.mono, panel.x + panel.w - t.px(16), y, ink, format_number(cut.kept_mass, 2),
              Align::right);
  }
}

std::string stamp_of(const Ui& ui, int tokens, int layers, const Rows& rows, bool preview) {
  std::string text = preview ? "preview cut \u00B7 " : "";
  if (cuts_while_decoding(ui.history.current())) text += "prefill cut only \u00B7 ";
  text += rows.last - rows.first == layers
              ? "all layers"
              : "layers " + std::to_string(rows.first) + " to " + std::to_string(rows.last - 1);
  if (ui.heat.count <= 0) return text + ", " + format_count(tokens) + " remembered tokens";
  const long long first = std::llround(ui.heat.first);
  return text + ", remembered tokens " + format_count(first) + " to " +
         format_count(std::min<long long>(tokens, std::llround(ui.heat.first + ui.heat.count)));
}

std::string missing(const Frame& f) {
  if (!f.now.model && f.now.work.kind == Work::loading) return "Reading the model.";
  if (!f.now.model) return "No model is open.";
  if (!looked_case(f.now)) return "No needle cases yet.";
  return f.now.kept || shows_preview(f.now, f.ui) ? "" : "Nothing was cut yet.";
}

}  // namespace

void draw_keep_map(Frame& f, Rect area) {
  const Theme& t = f.theme;
  f.ui.places["keep_map"] = area;
  const std::string why = missing(f);
  if (!why.empty()) {
    draw_empty(t, draw_lower_panel(f, area, "", 0), why, "");
    return;
  }
  const CaseText& text = *looked_case(f.now);
  const int tokens = static_cast<int>(text.tokens.size()), layers = f.now.model->shape.layers;
  const bool preview = shows_preview(f.now, f.ui);
  // The ticks go first where rows would get too low for their names.
  const float top = area.y + t.px(34), under_title = area.y + area.h - top - t.px(6);
  const bool ticks = under_title - t.px(kTickRow) >= layers * t.px(kSelectedRow);
  const float room = under_title - (ticks ? t.px(kTickRow) : 0);
  const float x = area.x + t.px(kLeftGutter);
  const float w = std::max(0.0f, area.w - t.px(kLeftGutter) - t.px(kRightGutter));
  const bool fits = w >= t.px(40) && room >= t.px(kSelectedRow) && layers > 0;
  if (!fits) {
    draw_lower_panel(f, area, "", 0);
    return;
  }
  const Rows rows = lay_out(t, top, room, layers, f.ui.selected.layer);
  draw_lower_panel(f, area, stamp_of(f.ui, tokens, layers, rows, preview),
                   area.x + area.w - t.px(kRightGutter + 16 + 220));
  draw_legend(t, area.x + area.w - t.px(kRightGutter + 16), area.y + t.px(15));
  if (!preview) {  // heads the numbers in the right gutter
    draw_text(t, t.font.small, area.x + area.w - t.px(16), area.y + t.px(15), t.color.text3,
              "kept mass", Align::right);
  }
  const float bottom = rows.bottom();

  const AxisInput input = use_axis(f, "keep_map.rows", {area.x, rows.y, area.w, bottom - rows.y},
                                   shared_axis(f.ui, tokens, x, w), tokens);
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  const TokenAxis axis = shared_axis(f.ui, tokens, x, w);
  const int kv_head = kv_head_of(f.ui.selected.head, f.now.model->shape);
  int under = -1;
  for (int layer = rows.first; layer < rows.last; ++layer) {
    if (input.hovered && mouse.y >= rows.top(layer)) under = layer;
  }
  if (input.clicked && under >= 0) f.ui.selected.layer = under;

  for (int layer = rows.first; layer < rows.last; ++layer) {
    const float top = rows.top(layer), h = rows.height(layer);
    const float inset = h >= t.px(16) ? t.px(3) : h >= t.px(8) ? t.px(1) : 0;
    const Rect strip = {x, top + inset, w, std::max(t.px(3), h - 2 * inset)};
    draw_row(f, area, strip, axis, layer_cut(f.now, f.ui, layer), kv_head, top, h);
  }
  if (rows.h < t.px(13)) draw_names(t, area, rows);
  draw_needles(t, {x, rows.y, w, bottom - rows.y}, axis, text.source, t.px(1));
  if (ticks) draw_ticks(t, {x, bottom + t.px(4), w, t.px(22)}, axis, tokens);

  const int at = f.ui.selected.hover_remembered;
  const float line = std::round(axis.x_of(at + 0.5));
  if (at >= 0 && line >= x && line < x + w) {
    fill_rect({line, rows.y, t.px(1), bottom - rows.y},
              (t.color.text & ~IM_COL32_A_MASK) | IM_COL32(0, 0, 0, 102));
  }
  if (under < 0 || f.ui.heat.panning || mouse.x < x || mouse.x >= x + w) return;
  const int token = std::clamp(static_cast<int>(axis.token_at(mouse.x)), 0, tokens - 1);
  f.ui.selected.hover_remembered = token;
  draw_token_tip(f, layer_cut(f.now, f.ui, under), kv_head, token, "");
}

}  // namespace polykv
