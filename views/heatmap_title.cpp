// The heatmap's title row and its keys.
#include <cmath>

#include "views/heatmap_parts.h"
#include "views/keys.h"

namespace polykv {
namespace {

void pick_head(Frame& f, int head) {
  Selection& at = f.ui.selected;
  if (head == at.head) return;
  at.head = head;
  f.out.push_back(LookAt{at.case_index, at.layer, head});
}

// The asked needle in the middle with its surroundings; once more: everything.
void show_needle(Frame& f) {
  const CaseText* text = looked_case(f.now);
  if (!text || text->source.needles.empty()) return;
  const Span& span = text->source.needles[0];
  const int tokens = static_cast<int>(text->tokens.size());
  const TokenView view = view_around(span.first, span.last, tokens, kNeedleView);
  HeatUi& heat = f.ui.heat;
  const bool there = heat.first == view.first && heat.count == view.count;
  heat.first = there ? 0 : view.first;
  heat.count = there ? 0 : view.count;
}

std::string stamp_of(const Frame& f, const HeatScene& s) {
  const std::string dot = " \u00B7 ";
  std::string text;
  if (s.cut.preview) {
    text = "preview cut, " + format_count(s.cut.kept_count(s.kv_head)) + " kept" + dot;
  } else if (f.ui.pill != Pill::exact && f.ui.pill != Pill::none) {
    text = "cut before the edit" + dot;
  }
  if (cuts_while_decoding(f.ui.history.current())) text += "prefill cut only" + dot;
  text += "L" + std::to_string(s.tile.layer) + dot + "H" + std::to_string(s.tile.head) + " (KV " +
          std::to_string(s.kv_head) + ")";
  if (s.axis.token_width() < 1)
    text += f.ui.heat.mean_pool ? dot + "mean-pooled" : dot + "max-pooled";
  return text + dot + "case " + std::to_string(s.tile.case_index + 1);
}

}  // namespace

float draw_heatmap_controls(Frame& f, Rect area) {
  const Theme& t = f.theme;
  HeatUi& heat = f.ui.heat;
  const ModelShape& shape = f.now.model->shape;
  const std::vector<std::string> scales = {"lin", "log", "rank"}, pools = {"max", "mean"};
  const float y = area.y + t.px(15), least = area.x + t.px(290);
  const float toggle = toggle_width(t, "Hide sinks"), pool = segments_width(t, pools);
  const std::string name = "H" + std::to_string(f.ui.selected.head);
  const float chip = text_width(t.font.body, name) + t.px(8 + 6 + 19);

  float x = area.x + area.w - t.px(12) - segments_width(t, scales);
  heat.scale = draw_segments(t, "heatmap.scale", x, y, scales, heat.scale);
  if (x - t.px(8) - pool - t.px(16) - chip > least) {
    x -= t.px(8) + pool;
    heat.mean_pool = draw_segments(t, "heatmap.pool", x, y, pools, heat.mean_pool) == 1;
  }
  if (x - t.px(16) - toggle - t.px(16) - chip > least) {
    x -= t.px(16) + toggle;
    draw_toggle(t, "heatmap.sinks", x, y, "Hide sinks", heat.hide_sinks);
  }
  x -= t.px(16) + chip;
  const Rect at = {std::round(x), y - t.px(12), std::round(chip), t.px(24)};
  f.ui.places["heads"] = at;
  const bool open = draw_chip(t, "heatmap.head", at, "", name);
  std::vector<MenuItem> items;
  for (int h = 0; h < shape.query_heads; ++h) {
    items.push_back({.label = "H" + std::to_string(h),
                     .hint = "KV " + std::to_string(kv_head_of(h, shape)),
                     .code = "",
                     .checked = h == f.ui.selected.head});
  }
  const int picked = draw_menu(t, "heatmap.heads", open, at.x, at.y + at.h, items);
  if (picked >= 0) pick_head(f, picked);
  return at.x;
}

void use_heatmap_keys(Frame& f) {
  if (key_pressed(kKeyHome, false)) f.ui.heat.first = f.ui.heat.count = 0;
  Selection& at = f.ui.selected;
  if (at.asking >= 0 && key_pressed(kKeyEscape, false)) at.asking = at.remembered = -1;
  const ImGuiIO& io = ImGui::GetIO();
  if (io.WantTextInput || !f.now.model) return;
  // Typed characters, not key codes: brackets sit elsewhere on other keyboards.
  const int heads = f.now.model->shape.query_heads;
  for (const ImWchar c : io.InputQueueCharacters) {
    if (c == '[' && at.head > 0) pick_head(f, at.head - 1);
    if (c == ']' && at.head + 1 < heads) pick_head(f, at.head + 1);
    if (c == 'n') show_needle(f);
  }
}

void draw_heatmap_stamp(const Frame& f, const HeatScene& s, Rect area, float right) {
  const Theme& t = f.theme;
  const float x = area.x + t.px(22) + text_width(t.font.strong, "Heatmap");
  const float room = right - t.px(12) - x;
  if (room < t.px(20)) return;
  draw_text(t, t.font.small, x, area.y + t.px(15), t.color.text3, stamp_of(f, s), Align::left,
            room);
}

}  // namespace polykv
