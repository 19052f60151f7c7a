// One column of the band: name and lock, policy chip, kept mass, value.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/policies/policy.h"
#include "views/layers_parts.h"
#include "views/widgets.h"

namespace polykv {
namespace {

std::string name_of(const char* what, int layer) { return what + ("." + std::to_string(layer)); }

const BandLayer& layer_of(const BandModel& model, const BandColumn& column) {
  return model.layers[static_cast<std::size_t>(column.layer)];
}

void draw_name(Frame& f, const BandModel& model, const BandColumn& column) {
  const Theme& t = f.theme;
  const BandLayer& layer = layer_of(model, column);
  const float w = column.area.w;
  const bool narrow = w < t.px(44);
  if (!narrow || column.layer % 8 == 0 || layer.selected) {
    const float x = narrow ? column.area.x + t.px(2) : column.area.x + t.px(10);
    draw_text(t, narrow ? t.font.small : t.font.strong, x, column.name_y,
              layer.selected ? t.color.text : t.color.text2, "L" + std::to_string(column.layer));
  }
  if (narrow) return;
  const Rect lock = {column.area.x + w - t.px(28), column.name_y - t.px(10), t.px(22), t.px(20)};
  f.ui.places[name_of("lock", column.layer)] = lock;
  ImGui::SetCursorScreenPos(ImVec2(lock.x, lock.y));
  if (ImGui::InvisibleButton(name_of("lock", column.layer).c_str(), ImVec2(lock.w, lock.h)))
    toggle_lock(f.ui, column.layer);
  const bool hot = ImGui::IsItemHovered();
  if (hot) {
    fill_rect(lock, t.color.hover, t.px(4));
    draw_tooltip(t, {layer.locked ? "Locked" : "Unlocked",
                     layer.locked ? "this budget stays when others change"
                                  : "click to keep this budget when others change"});
  }
  if (layer.locked || hot || column.hovered || layer.selected)
    draw_lock(lock.x + lock.w / 2, lock.y + lock.h / 2 - t.px(1),
              layer.locked ? t.color.text : t.color.text3, layer.locked);
}

// True when pressed. Narrow columns: the code, then its letters one above the other.
bool draw_policy(Frame& f, const BandModel& model, const BandColumn& column) {
  const Theme& t = f.theme;
  const BandLayer& layer = layer_of(model, column);
  const float w = column.area.w, inset = w < t.px(44) ? t.px(1) : t.px(8);
  const Rect chip = {std::round(column.area.x + inset), column.chip_y - t.px(12),
                     std::round(w - 2 * inset), t.px(24)};
  f.ui.places[name_of("policy", column.layer)] = chip;
  const std::string id = name_of("policy", column.layer);
  if (w >= t.px(96)) {
    // Code and name; else the name; else the code.
    const float room = chip.w - t.px(27), name = text_width(t.font.body, layer.policy);
    const float both = text_width(t.font.mono, layer.code) + t.px(6) + name;
    if (both <= room) return draw_chip(t, id.c_str(), chip, layer.code, layer.policy);
    return draw_chip(t, id.c_str(), chip, "", name <= room ? layer.policy : layer.code);
  }
  ImGui::SetCursorScreenPos(ImVec2(chip.x, chip.y));
  const bool pressed = ImGui::InvisibleButton(id.c_str(), ImVec2(std::max(1.0f, chip.w), chip.h));
  const bool hot = ImGui::IsItemHovered();
  fill_rect(chip, hot ? t.color.hover : t.color.raised, t.px(3));
  const ImU32 ink = layer.selected || hot ? t.color.text : t.color.text2;
  const float x = chip.x + chip.w / 2, y = chip.y + chip.h / 2;
  if (w >= t.px(28)) {
    draw_text(t, t.font.mono, x, y, ink, layer.code, Align::centre);
  } else if (layer.code.size() == 2) {
    draw_text(t, t.font.mono, x, y - t.px(5.5f), ink, layer.code.substr(0, 1), Align::centre);
    draw_text(t, t.font.mono, x, y + t.px(5.5f), ink, layer.code.substr(1), Align::centre);
  }
  return pressed;
}

void draw_kept_mass(Frame& f, const BandModel& model, const BandColumn& column) {
  const Theme& t = f.theme;
  const BandLayer& layer = layer_of(model, column);
  const bool known = std::isfinite(layer.kept_mass);
  const auto share = static_cast<float>(known ? std::clamp(layer.kept_mass, 0.0, 1.0) : 0.0);
  const ImU32 track = layer.selected ? mix(t.color.raised, t.color.accent, 0.16f) : t.color.raised;
  // A preview is drawn hollow: text-3 instead of text-2.
  const ImU32 ink = layer.kept_mass_is_exact ? t.color.text2 : t.color.text3;
  if (column.area.w < t.px(44)) {  // an upright tick
    const Rect upright = {std::round(column.area.x + column.area.w / 2 - t.px(2)),
                          column.mass_y - t.px(8), t.px(4), t.px(16)};
    fill_rect(upright, track, t.px(2));
    fill_rect({upright.x, upright.y + upright.h * (1 - share), upright.w, upright.h * share}, ink,
              t.px(2));
    return;
  }
  const float x = column.area.x + t.px(10);
  const float w = std::min(t.px(64), column.area.w - t.px(20));
  fill_rect({x, column.mass_y - t.px(3), w, t.px(6)}, track, t.px(3));
  if (share > 0)
    fill_rect({x, column.mass_y - t.px(3), std::max(t.px(3), w * share), t.px(6)}, ink, t.px(3));
  if (column.area.w >= t.px(120))
    draw_text(t, t.font.small, x + w + t.px(8), column.mass_y, t.color.text2,
              known ? format_number(layer.kept_mass * 100, 1) + "%" : "\u2014");
}

std::string delta_text(const BandLayer& layer) {
  return layer.old_budget < 0 ? "" : format_signed(layer.budget - layer.old_budget, 0);
}

void start_typing(Frame& f, const BandLayer& layer, int at) {
  f.ui.band.typing_layer = at;
  f.ui.band.typing_starts = true;
  f.ui.wants_frame = true;
  f.ui.band.typed = value_lines(layer, f.ui.band.unit)[0];
}

void finish_typing(Frame& f, const BandModel& model, int at) {
  const double token = f.now.model ? static_cast<double>(f.now.model->kv_bytes_per_token_layer) : 0;
  const auto budget = parse_budget(f.ui.band.typed, f.ui.band.unit, model.cap, token);
  f.ui.band.typing_layer = -1;
  if (budget) {
    edit_plan(f, with_budget(f.ui.history.current(), at, *budget, band_rules(f.now, f.ui)));
    return;
  }
  f.ui.message = "\u201c" + f.ui.band.typed + "\u201d is no budget: type 96, 10% or 48 KiB.";
  f.ui.message_is_error = true;
}

void draw_value_field(Frame& f, const BandModel& model, int at, Rect area) {
  const Theme& t = f.theme;
  BandUi& band = f.ui.band;
  char text[32];
  std::snprintf(text, sizeof text, "%s", band.typed.c_str());
  push_style(t);
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(t.px(6), t.px(4)));
  if (t.font.strong) ImGui::PushFont(t.font.strong);
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  ImGui::SetNextItemWidth(std::max(t.px(64), area.w));
  const bool starting = band.typing_starts;
  if (starting) f.ui.wants_frame = true;  // the keyboard comes one frame later
  if (starting) ImGui::SetKeyboardFocusHere();
  band.typing_starts = false;
  const bool done =
      ImGui::InputText("##value", text, sizeof text,
                       ImGuiInputTextFlags_EnterReturnsTrue | ImGuiInputTextFlags_AutoSelectAll);
  const bool left = ImGui::IsItemDeactivated();
  const ImVec2 low = ImGui::GetItemRectMin(), high = ImGui::GetItemRectMax();
  if (t.font.strong) ImGui::PopFont();
  ImGui::PopStyleVar();
  pop_style();
  draw_frame_rect({low.x, low.y, high.x - low.x, high.y - low.y}, t.color.accent, t.px(1), t.px(4));
  band.typed = text;
  if (done) {
    finish_typing(f, model, at);
  } else if (left && !starting) {
    band.typing_layer = -1;  // Escape, or a click elsewhere
  }
}

}  // namespace

void toggle_lock(Ui& ui, int layer) {
  const auto at = static_cast<std::size_t>(layer);
  if (ui.band.locked.size() <= at) ui.band.locked.resize(at + 1, false);
  ui.band.locked[at] = !ui.band.locked[at];
}

bool draw_column_head(Frame& f, const BandModel& model, const BandColumn& column) {
  draw_name(f, model, column);
  const bool pressed = draw_policy(f, model, column);
  draw_kept_mass(f, model, column);
  return pressed && model.editable;
}

void draw_value(Frame& f, const BandModel& model, const BandColumn& column) {
  const Theme& t = f.theme;
  const BandLayer& layer = layer_of(model, column);
  const Rect& bar = column.bar;
  const float foot = bar.y + bar.h;
  const bool two_lines = bar.h < t.px(64);
  Rect area;
  if (column.beside) {
    const float x = bar.x + bar.w + t.px(column.area.w < t.px(130) ? 8 : 12);
    area = {x, foot - t.px(two_lines ? 46 : 54), column.area.x + column.area.w - x - t.px(2),
            t.px(two_lines ? 46 : 54)};
  } else {
    area = {column.area.x + t.px(1), bar.y - t.px(22), column.area.w - t.px(2), t.px(20)};
  }
  f.ui.places[name_of("value", column.layer)] = area;
  if (f.ui.band.typing_layer == column.layer) return draw_value_field(f, model, column.layer, area);
  if (area.w < 1 || area.h < 1) return;
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  ImGui::InvisibleButton(name_of("value", column.layer).c_str(), ImVec2(area.w, area.h));
  const bool may_type = model.editable && !layer.full && !layer.locked;
  if (ImGui::IsItemHovered()) {
    if (may_type) ImGui::SetMouseCursor(ImGuiMouseCursor_TextInput);
    if (may_type && ImGui::IsMouseDoubleClicked(0)) start_typing(f, layer, column.layer);
  }
  if (!column.value_shown) return;
  const auto lines = value_lines(layer, f.ui.band.unit);
  const std::string delta = delta_text(layer);
  const ImU32 strong = layer.full ? t.color.text2 : t.color.text;
  if (!column.beside) {
    ImFont* font = column.area.w < t.px(64) ? t.font.small_medium : t.font.strong;
    draw_text(t, font, column.area.x + column.area.w / 2, bar.y - t.px(11), strong, lines[0],
              Align::centre);
    return;
  }
  const int below = column.kib_shown ? 2 : 1;
  float y = foot - t.px(6) - t.px(14) * static_cast<float>(below - 1);
  const bool fits = text_width(t.font.value, lines[0]) <= area.w;
  draw_text(t, fits ? t.font.value : t.font.strong, area.x, y - t.px(18), strong, lines[0],
            Align::left, area.w);
  for (int i = 1; i <= below; ++i, y += t.px(14)) {
    const bool shows_delta = i == 1 && !delta.empty();
    draw_text(t, shows_delta ? t.font.small_medium : t.font.small, area.x, y,
              shows_delta ? t.color.accent : t.color.text2,
              shows_delta ? delta : lines[static_cast<std::size_t>(i)], Align::left, area.w);
  }
}

}  // namespace polykv
