// The bottom band: one draggable budget per layer, its policy, lock and kept mass.
#include <algorithm>
#include <cmath>

#include "views/keys.h"
#include "views/layers_parts.h"
#include "views/policy_items.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr const char* kMenu = "band policy";

bool pointer_in(const Rect& area) {
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  return ImGui::IsWindowHovered(ImGuiHoveredFlags_AllowWhenBlockedByActiveItem) &&
         area.contains(mouse.x, mouse.y);
}

void arrow_keys(Frame& f, const BandModel& model) {
  const int layers = static_cast<int>(model.layers.size());
  int& at = f.ui.selected.layer;
  if (layers == 0 || f.ui.band.dragging_layer >= 0) return;
  if (!ImGui::GetIO().KeyCtrl && key_pressed(kKeyL, false)) toggle_lock(f.ui, at);
  if (key_pressed(kKeyLeft)) at = std::max(0, at - 1);
  if (key_pressed(kKeyRight)) at = std::min(layers - 1, at + 1);
  at = std::clamp(at, 0, layers - 1);
  const BandLayer& layer = model.layers[static_cast<std::size_t>(at)];
  const int step = ImGui::GetIO().KeyShift ? 8 : 1;
  const int change = (key_pressed(kKeyUp) ? step : 0) - (key_pressed(kKeyDown) ? step : 0);
  if (change != 0 && model.editable && !layer.full && !layer.locked)
    drag_to(f, model, at, layer.budget + change);
}

void shortcuts(Frame& f) {
  const ImGuiIO& io = ImGui::GetIO();
  if (!io.KeyCtrl) return;
  if (key_pressed(kKeyZ)) step_plan(f, !io.KeyShift);
  if (key_pressed(kKeyY)) step_plan(f, false);
}

// An arrow that turns back (undo) or forth (redo), in a 24 x 24 button.
void draw_step_button(Frame& f, const char* id, float x, float y, bool back) {
  const Theme& t = f.theme;
  const PlanHistory& history = f.ui.history;
  const bool enabled = !history.dragging() && (back ? history.can_undo() : history.can_redo());
  const Rect area = {x, y - t.px(12), t.px(24), t.px(24)};
  f.ui.places[id] = area;
  if (draw_button(t, id, area, "", false, enabled)) step_plan(f, back);
  if (ImGui::IsItemHovered())
    draw_tooltip(t, {back ? "Undo" : "Redo", back ? "Ctrl Z" : "Ctrl Shift Z"});
  const ImU32 ink = enabled ? t.color.text2 : t.color.hatch;
  const float cx = std::round(x + area.w / 2), side = back ? -1.0f : 1.0f, s = t.scale;
  ImDrawList* list = ImGui::GetWindowDrawList();
  // Head at the left (undo) or right, a line, and the bow that comes back below it.
  const float top = y - 2.5f * s, tip = cx + side * 5 * s, far = cx - side * 1.5f * s;
  list->PathLineTo(ImVec2(tip, top));
  list->PathLineTo(ImVec2(far, top));
  list->PathBezierCubicCurveTo(ImVec2(far - side * 4.8f * s, top),
                               ImVec2(far - side * 4.8f * s, top + 7 * s), ImVec2(far, top + 7 * s),
                               12);
  list->PathLineTo(ImVec2(tip - side * 3 * s, top + 7 * s));
  list->PathStroke(ink, 0, 1.5f * s);
  list->PathLineTo(ImVec2(tip - side * 3.2f * s, top - 3.2f * s));
  list->PathLineTo(ImVec2(tip, top));
  list->PathLineTo(ImVec2(tip - side * 3.2f * s, top + 3.2f * s));
  list->PathStroke(ink, 0, 1.5f * s);
}

void draw_title_row(Frame& f, Rect area, const BandModel& model) {
  const Theme& t = f.theme;
  const float y = area.y + t.px(17);
  float x = area.x + t.px(12);
  x += draw_text(t, t.font.strong, x, y, t.color.text, "Layers") + t.px(10);
  x += draw_text(t, t.font.small, x, y, t.color.text3, model.stamp, Align::left, t.px(220));
  x = std::max(area.x + t.px(237), std::round(x) + t.px(20));
  float width = 0;
  const int phase = f.ui.band.phase == Phase::decode ? 1 : 0;
  const int picked = draw_segments(t, "phase", x, y, {"prefill", "decode"}, phase, &width);
  f.ui.places["phase.prefill"] = {x, y - t.px(11), width / 2, t.px(22)};
  f.ui.places["phase.decode"] = {x + width / 2, y - t.px(11), width / 2, t.px(22)};
  if (picked != phase) f.ui.band.phase = picked == 1 ? Phase::decode : Phase::prefill;

  const std::vector<std::string> units = {"tok", "%", "KiB"};
  float right = area.x + area.w - t.px(12) - segments_width(t, units);
  const float units_x = right;
  f.ui.band.unit = draw_segments(t, "unit", right, y, units, f.ui.band.unit);
  f.ui.places["unit"] = {units_x, y - t.px(11), segments_width(t, units), t.px(22)};
  right -= t.px(16) + toggle_width(t, "Keep total");
  draw_toggle(t, "keep total", right, y, "Keep total", f.ui.band.keep_total);
  f.ui.places["keep_total"] = {right, y - t.px(11), toggle_width(t, "Keep total"), t.px(22)};
  right -= t.px(16) + t.px(24);
  draw_step_button(f, "redo", right, y, false);
  right -= t.px(4) + t.px(24);
  draw_step_button(f, "undo", right, y, true);
  float note_x = x + width + t.px(12);
  note_x += draw_params_chip(f, {note_x, y - t.px(12), right - t.px(20) - note_x, t.px(24)});
  note_x += t.px(12);
  if (note_x + t.px(60) < right)
    draw_text(t, t.font.small, note_x, y, t.color.text3, model.note, Align::left,
              std::max(1.0f, right - t.px(20) - note_x));
}

void draw_gutter(const Theme& t, Rect area, const BandModel& model, const BandColumn& first) {
  const Palette& c = t.color;
  const float x = area.x + t.px(12);
  draw_text(t, t.font.small, x, first.chip_y, c.text2, "policy");
  draw_text(t, t.font.small, x, first.mass_y, c.text2, "kept mass");
  const float top = first.bar.y, foot = first.bar.y + first.bar.h, middle = (top + foot) / 2;
  draw_text(t, t.font.small, x, middle - t.px(8), c.text2, "budget");
  draw_text(t, t.font.small, x, middle + t.px(8), c.text2, "per kv head");
  const float right = first.bar.x - t.px(7);
  draw_text(t, t.font.small, right, top + t.px(5), c.text3, format_count(model.scale_top),
            Align::right);
  draw_text(t, t.font.small, right, foot - t.px(5), c.text3, "0", Align::right);
}

void draw_column(Frame& f, const BandModel& model, const BandColumn& column, int& pressed) {
  const Theme& t = f.theme;
  const BandLayer& layer = model.layers[static_cast<std::size_t>(column.layer)];
  if (layer.selected) {
    fill_rect(column.area, t.color.wash, t.px(4));
  } else if (column.layer > 0 && column.area.w >= t.px(28) &&
             column.layer - 1 != f.ui.selected.layer) {
    fill_rect({column.area.x, column.area.y + t.px(8), t.px(1), column.area.h - t.px(16)},
              t.color.line);
  }
  if (draw_column_head(f, model, column)) pressed = column.layer;
  draw_bar(f, model, column);
  draw_value(f, model, column);
  if (column.hovered && column.area.w < t.px(96) && f.ui.band.dragging_layer < 0) {
    const auto lines = value_lines(layer, f.ui.band.unit);
    draw_tooltip(t, {"L" + std::to_string(column.layer) + " " + layer.policy,
                     lines[0] + " \u00b7 " + lines[1] + " \u00b7 " + lines[2],
                     "kept mass " + format_percent(layer.kept_mass)});
  }
}

void draw_policy_menu(Frame& f, const std::vector<BandColumn>& columns, int pressed) {
  int& layer = f.ui.band.menu_layer;
  if (pressed >= 0) layer = pressed;
  if (layer < 0 || layer >= static_cast<int>(columns.size())) return;
  const Plan& plan = f.ui.history.current();
  const std::string current = plan.of(f.ui.band.phase)[static_cast<std::size_t>(layer)].policy;
  const std::vector<MenuItem> items = policy_items(f.now, plan, f.ui.band.phase, current);
  const BandColumn& column = columns[static_cast<std::size_t>(layer)];
  const int picked = draw_menu(f.theme, kMenu, pressed >= 0, column.area.x + f.theme.px(8),
                               column.chip_y + f.theme.px(14), items, &f.ui.places);
  if (picked >= 0) {
    f.ui.selected.layer = layer;
    choose_policy(f, {layer}, items[static_cast<std::size_t>(picked)].label);
  }
  if (!menu_is_open(kMenu)) layer = -1;
}

}  // namespace

std::vector<BandColumn> lay_out_columns(const Theme& t, Rect band, const BandModel& model) {
  std::vector<BandColumn> columns;
  const int n = static_cast<int>(model.layers.size());
  if (n == 0) return columns;
  const float room = band.w - t.px(96), even = room / static_cast<float>(n);
  bool any_selected = false;
  for (const BandLayer& layer : model.layers) any_selected |= layer.selected;
  const float wide = std::max(even, t.px(64));
  const float other = n > 1 && any_selected ? (room - wide) / static_cast<float>(n - 1) : even;
  float x = band.x + t.px(96);
  for (int i = 0; i < n; ++i) {
    const BandLayer& layer = model.layers[static_cast<std::size_t>(i)];
    BandColumn column;
    column.layer = i;
    const float w = layer.selected ? wide : other;
    const float left = std::round(x), right = std::round(x + w);
    column.area = {left, band.y + t.px(34), right - left, band.h - t.px(38)};
    column.name_y = band.y + t.px(46), column.chip_y = band.y + t.px(70);
    column.mass_y = band.y + t.px(97);
    column.hovered = pointer_in(column.area);
    column.beside = w >= t.px(96);
    column.value_shown = w >= t.px(44) || column.hovered || layer.selected;
    column.kib_shown = w >= t.px(130) && band.h >= t.px(220);
    const float bar_w = w > t.px(150)  ? t.px(52)
                        : w > t.px(96) ? t.px(36)
                        : w > t.px(28) ? w - t.px(12)
                                       : w - t.px(2);
    const float top = band.y + t.px(column.beside ? 114 : 132);
    const float bar_x =
        column.beside ? left + t.px(w < t.px(130) ? 6 : 10) : left + (w - bar_w) / 2;
    column.bar = {std::round(bar_x), top, std::max(1.0f, std::round(bar_w)),
                  band.y + band.h - t.px(14) - top};
    columns.push_back(column);
    x += w;
  }
  return columns;
}

void draw_layers(Frame& f, Rect area) {
  const Theme& t = f.theme;
  fill_rect(area, t.color.panel);
  BandModel model = condense_band(f.now, f.ui);
  if (model.layers.empty()) {
    draw_panel(t, area, "Layers", "");
    draw_empty(t, {area.x, area.y, area.w, area.h},
               "No model is open. Drop a Hugging Face folder here.", "");
    return;
  }
  // Input first: the frame of a drag shows its result.
  const std::uint64_t before = f.ui.edit;
  if (f.ui.band.dragging_layer >= 0 && !ImGui::IsMouseDown(0)) end_edit_drag(f);
  shortcuts(f);
  arrow_keys(f, model);
  std::vector<BandColumn> columns = lay_out_columns(t, area, model);
  for (const BandColumn& column : columns) {
    if (column.hovered && ImGui::IsMouseClicked(0)) f.ui.selected.layer = column.layer;
    drag_bar(f, model, column);
  }
  meet_signal(f);
  if (f.ui.edit != before) prepare_frame(f.now, f.ui);
  model = condense_band(f.now, f.ui);
  columns = lay_out_columns(t, area, model);

  draw_title_row(f, area, model);
  int pressed = -1;
  for (const BandColumn& column : columns) draw_column(f, model, column, pressed);
  draw_gutter(t, area, model, columns[0]);
  draw_policy_menu(f, columns, pressed);
}

}  // namespace polykv
