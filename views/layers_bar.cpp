// One budget bar: the drag and the drawing (look.md section 8).
#include <algorithm>
#include <cmath>

#include "views/keys.h"
#include "views/layers_parts.h"
#include "views/widgets.h"

namespace polykv {
namespace {

std::string name_of(const char* what, int layer) { return what + ("." + std::to_string(layer)); }

float value_y(const BandModel& model, const Rect& bar, int budget) {
  const float share = static_cast<float>(budget) / static_cast<float>(std::max(1, model.scale_top));
  return bar.y + bar.h * (1 - std::clamp(share, 0.0f, 1.0f));
}

// Without the clip of value_y: a drag may leave the track at its top.
int budget_at(const BandModel& model, const Rect& bar, float y) {
  const float share = (bar.y + bar.h - y) / std::max(1.0f, bar.h);
  return static_cast<int>(std::lround(share * static_cast<float>(model.scale_top)));
}

const BandLayer& layer_of(const BandModel& model, const BandColumn& column) {
  return model.layers[static_cast<std::size_t>(column.layer)];
}

void draw_fill(const Theme& t, const BandLayer& layer, const Rect& bar, float top) {
  const Palette& c = t.color;
  const float foot = bar.y + bar.h, radius = t.px(3);
  fill_rect({bar.x, top, bar.w, foot - top}, layer.selected ? c.accent : c.budget_fill,
            foot - top > 2 * radius ? radius : 0);
  fill_rect({bar.x, top, bar.w, t.px(2)}, c.accent);
  if (layer.protected_tokens <= 0) return;
  const float share =
      static_cast<float>(layer.protected_tokens) / static_cast<float>(std::max(1, layer.budget));
  const float height = std::max(t.px(2), (foot - top) * std::min(1.0f, share));
  const bool all = layer.protected_tokens >= layer.budget;
  const float y = all ? top + t.px(2) : foot - height;
  const Rect floor = {bar.x, std::round(y), bar.w, foot - std::round(y)};
  fill_rect({floor.x, floor.y - t.px(1), floor.w, t.px(1)}, c.panel);
  fill_rect(floor, c.protected_);
  draw_hatch(t, floor, c.panel, 5, 1.4f);
}

void draw_handle(const Theme& t, const BandLayer& layer, const BandColumn& column, float y,
                 bool dragging) {
  const Palette& c = t.color;
  if (!layer.selected && !column.hovered && !dragging) return;
  const Rect& bar = column.bar;
  const float h = t.px(6), out = t.px(3);
  const Rect handle = {bar.x - out, std::round(y - h / 2), bar.w + 2 * out, h};
  fill_rect({handle.x - t.px(1), handle.y - t.px(1), handle.w + t.px(2), handle.h + t.px(2)},
            layer.selected ? c.wash : c.panel, t.px(4));
  fill_rect(handle, dragging ? c.text : c.accent, t.px(3));
  const float line = std::min(t.px(12), handle.w - t.px(4));
  fill_rect({handle.x + (handle.w - line) / 2, handle.y + t.px(2.5f), line, t.px(1)},
            dragging ? c.panel : c.on);
}

void draw_track(const Theme& t, const BandLayer& layer, const Rect& bar) {
  const Palette& c = t.color;
  fill_rect(bar, layer.selected ? mix(c.raised, c.accent, 0.16f) : c.raised, t.px(3));
  if (layer.full)  // no budget, nothing to drag: level lines
    for (float y = bar.y + t.px(4); y < bar.y + bar.h - t.px(2); y += t.px(4))
      fill_rect({bar.x, y, bar.w, t.px(1)}, c.hatch);
  if (t.kind == ThemeKind::contrast) draw_frame_rect(bar, c.edge, t.px(1), t.px(3));
}

}  // namespace

void drag_to(Frame& f, const BandModel& model, int layer, int budget) {
  const BandLayer& one = model.layers[static_cast<std::size_t>(layer)];
  const EditRules rules = band_rules(f.now, f.ui);
  const bool from_drag = f.ui.band.drag_moved;
  const Plan base = from_drag ? f.ui.band.before_drag : f.ui.history.current();
  Plan next = with_budget(base, layer, std::max(budget, one.floor), rules);
  const auto reached = next.of(rules.phase)[static_cast<std::size_t>(layer)].budget;
  const bool stuck = next == base && reached && budget != *reached && budget >= one.floor &&
                     rules.keep_total && (rules.cap == 0 || budget <= rules.cap);
  edit_plan(f, std::move(next));
  if (budget < one.floor && !one.floor_reason.empty()) f.ui.message = one.floor_reason + ".";
  if (stuck)
    f.ui.message = "The unlocked layers can neither give nor take more: switch Keep total off.";
  if (!f.ui.message.empty()) f.ui.message_is_error = false;
}

void drag_bar(Frame& f, const BandModel& model, const BandColumn& column) {
  BandUi& band = f.ui.band;
  const BandLayer& layer = layer_of(model, column);
  const Rect& bar = column.bar;
  const Theme& t = f.theme;
  const Rect grab = {bar.x - t.px(3), bar.y - t.px(8), bar.w + t.px(6), bar.h + t.px(12)};
  f.ui.places[name_of("bar", column.layer)] = bar;
  if (grab.w < 1 || grab.h < 1) return;
  ImGui::SetCursorScreenPos(ImVec2(grab.x, grab.y));
  ImGui::InvisibleButton(name_of("bar", column.layer).c_str(), ImVec2(grab.w, grab.h));
  const bool may_drag = model.editable && !layer.full && !layer.locked;
  if (ImGui::IsItemHovered() || ImGui::IsItemActive())
    ImGui::SetMouseCursor(may_drag ? ImGuiMouseCursor_ResizeNS : ImGuiMouseCursor_NotAllowed);
  const float y = ImGui::GetIO().MousePos.y;
  if (ImGui::IsItemActivated()) {
    f.ui.selected.layer = column.layer;
    if (may_drag) {
      band.dragging_layer = column.layer;
      band.drag_moved = false;
      band.start_budget = layer.budget;
      band.before_drag = f.ui.history.current();
      band.scale_top = model.scale_top;
      band.grab_offset = y - value_y(model, bar, layer.budget);
    }
  }
  if (band.dragging_layer != column.layer) return;
  const float pressed_at = value_y(model, bar, band.start_budget) + band.grab_offset;
  if (!band.drag_moved && std::fabs(y - pressed_at) >= 1) begin_edit_drag(f);
  if (!band.drag_moved) return;
  if (ImGui::IsKeyPressed(kKeyEscape, false)) return cancel_edit_drag(f);
  drag_to(f, model, column.layer, budget_at(model, bar, y - band.grab_offset));
}

void draw_bar(Frame& f, const BandModel& model, const BandColumn& column) {
  const Theme& t = f.theme;
  const BandLayer& layer = layer_of(model, column);
  const Rect& bar = column.bar;
  draw_track(t, layer, bar);
  const bool dragging = model.dragging && f.ui.band.dragging_layer == column.layer;
  const float top = std::round(value_y(model, bar, layer.budget));
  if (!layer.full) draw_fill(t, layer, bar, top);
  if (layer.locked) {
    draw_frame_rect(bar, t.color.text3, t.px(1), t.px(3));
    if (bar.w >= t.px(12)) draw_lock(bar.x + bar.w / 2, bar.y + t.px(11), t.color.text2, true);
  }
  f.ui.places[name_of("handle", column.layer)] = {bar.x - t.px(3), top - t.px(8), bar.w + t.px(6),
                                                  t.px(16)};
  if (layer.full || layer.locked || !model.editable) return;
  if (layer.old_budget >= 0) {
    const float old = std::round(value_y(model, bar, layer.old_budget)) + 0.5f;
    draw_dashed_line(bar.x, old, bar.x + bar.w, old, t.color.text, t.px(3), t.px(3));
  }
  draw_handle(t, layer, column, top, dragging);
}

}  // namespace polykv
