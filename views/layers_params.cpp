// The chip with the parameters of the selected layer's policy, and the popover that edits them.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/error.h"
#include "views/keys.h"
#include "views/layers_parts.h"
#include "views/params_model.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr const char* kPopup = "parameters";
constexpr float kWidth = 420, kRow = 30, kHead = 62, kInset = 14;
constexpr float kNameWidth = 110, kFieldWidth = 84;  // logical pixels

std::string id_of(const ParamRow& row) { return std::string("param.") + row.spec.name; }

void set_param(Frame& f, const ParamsModel& model, const ParamRow& row,
               const std::optional<ParamValue>& value) {
  try {
    const Policy& policy = *find_policy(model.policy);
    const std::string* path = value ? std::get_if<std::string>(&*value) : nullptr;
    if (policy.check_file && path) return use_policy_file(f, model.layers, model.policy, *path);
    edit_plan(
        f, with_param(f.ui.history.current(), f.ui.band.phase, model.layers, row.spec.name, value));
  } catch (const Error& error) {
    f.ui.message = error.what();
    f.ui.message_is_error = true;
  }
}

// One drag is one undo step, as with the bars.
void draw_param_slider(Frame& f, const ParamsModel& model, const ParamRow& row, Rect area) {
  const double* number = std::get_if<double>(&row.value);
  double share = number ? slider_share(row.spec, *number) : 0;
  const std::string id = id_of(row);
  f.ui.places[id] = area;
  const bool held = draw_slider(f.theme, id.c_str(), area.x, area.y + area.h / 2, area.w, share);
  if (ImGui::IsItemActivated()) {
    f.ui.band.before_drag = f.ui.history.current();
    begin_edit_drag(f);
    f.ui.params.dragging = row.spec.name;
  }
  if (held) {
    const double value = slider_value(row.spec, share);
    if (!number || value != *number || row.differs) set_param(f, model, row, value);
  }
}

void draw_param_field(Frame& f, const ParamsModel& model, const ParamRow& row, Rect area) {
  const Theme& t = f.theme;
  char text[512];
  std::snprintf(text, sizeof text, "%s", row.text.c_str());
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding,
                      ImVec2(t.px(6), std::max(0.0f, (area.h - ImGui::GetFontSize()) / 2)));
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  ImGui::SetNextItemWidth(area.w);
  const std::string id = "##" + id_of(row);
  const bool done =
      ImGui::InputText(id.c_str(), text, sizeof text,
                       ImGuiInputTextFlags_EnterReturnsTrue | ImGuiInputTextFlags_AutoSelectAll);
  const bool active = ImGui::IsItemActive();
  ImGui::PopStyleVar();
  draw_frame_rect(area, active ? t.color.accent : t.color.edge, t.px(1), t.px(4));
  f.ui.places[id_of(row) + ".field"] = area;
  if (!done) return;
  if (const auto value = parse_param(row.spec, text)) {
    set_param(f, model, row, *value);
  } else {
    f.ui.message = std::string("\u201c") + text + "\u201d does not fit " + row.spec.name + ": " +
                   row.range + ".";
    f.ui.message_is_error = true;
  }
}

void draw_param_choice(Frame& f, const ParamsModel& model, const ParamRow& row, Rect area) {
  const std::string id = id_of(row);
  f.ui.places[id] = area;
  const bool pressed = draw_chip(f.theme, id.c_str(), area, "", row.text);
  draw_frame_rect(area, f.theme.color.edge, f.theme.px(1), f.theme.px(4));
  std::vector<MenuItem> items;
  for (const std::string& word : row.words) {
    MenuItem item;
    item.label = word, item.checked = word == row.text;
    items.push_back(std::move(item));
  }
  const int picked = draw_menu(f.theme, (id + " words").c_str(), pressed, area.x,
                               area.y + area.h + f.theme.px(2), items, &f.ui.places);
  if (picked >= 0) set_param(f, model, row, row.words[static_cast<std::size_t>(picked)]);
}

void draw_param_row(Frame& f, const ParamsModel& model, const ParamRow& row, Rect area) {
  const Theme& t = f.theme;
  const float y = area.y + area.h / 2, x = area.x + t.px(kNameWidth);
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  const Rect name = {area.x, area.y, t.px(kNameWidth), area.h};
  // A dot marks what is not the default; a click on the name gives the default back.
  if (!row.is_default || row.differs) draw_disc(area.x + t.px(3), y, t.px(3), t.color.accent);
  draw_text(t, t.font.body, area.x + t.px(12), y, row.is_default ? t.color.text2 : t.color.text,
            row.spec.name, Align::left, name.w - t.px(16));
  ImGui::SetCursorScreenPos(ImVec2(name.x, name.y));
  f.ui.places[id_of(row) + ".reset"] = name;
  if (ImGui::InvisibleButton((id_of(row) + " reset").c_str(), ImVec2(name.w, name.h)))
    set_param(f, model, row, std::nullopt);
  if (ImGui::IsWindowHovered(ImGuiHoveredFlags_None) && name.contains(mouse.x, mouse.y)) {
    std::vector<std::string> lines = {row.spec.name, row.spec.help, row.range};
    if (row.differs) lines.push_back("the layers have different values");
    if (!row.is_default || row.differs) lines.push_back("click: the default");
    draw_tooltip(t, lines);
  }
  const float right = area.x + area.w, h = t.px(24);
  const Rect field = {right - t.px(kFieldWidth), y - h / 2, t.px(kFieldWidth), h};
  switch (row.spec.kind) {
    case ParamKind::integer:
    case ParamKind::number:
      draw_param_slider(f, model, row, {x, y - h / 2, field.x - t.px(12) - x, h});
      draw_param_field(f, model, row, field);
      break;
    case ParamKind::flag: {
      bool on = std::get<bool>(row.value);
      f.ui.places[id_of(row)] = {x, y - h / 2, t.px(40), h};
      if (draw_toggle(t, id_of(row).c_str(), x, y, on ? "on" : "off", on))
        set_param(f, model, row, on);
      break;
    }
    case ParamKind::choice:
      draw_param_choice(f, model, row, {x, y - h / 2, right - x, h});
      break;
    case ParamKind::text:
      draw_param_field(f, model, row, {x, y - h / 2, right - x, h});
      break;
  }
}

void draw_head(Frame& f, const ParamsModel& model, Rect area) {
  const Theme& t = f.theme;
  float y = area.y + t.px(17);
  draw_text(
      t, t.font.strong, area.x, y, t.color.text,
      "L" + std::to_string(model.layer) + " " + model.policy + ", " + to_string(f.ui.band.phase),
      Align::left, area.w - t.px(80));
  const Rect reset = {area.x + area.w - t.px(64), y - t.px(12), t.px(64), t.px(24)};
  f.ui.places["params.reset"] = reset;
  if (draw_button(t, "params.reset", reset, "Reset", false, !model.all_default)) {
    Plan next = f.ui.history.current();
    for (const ParamRow& row : model.rows)
      next = with_param(next, f.ui.band.phase, model.layers, row.spec.name, std::nullopt);
    edit_plan(f, std::move(next));
  }
  y += t.px(27);
  if (model.alike < 2) {
    draw_text(t, t.font.small, area.x, y, t.color.text3, "no other layer has " + model.policy);
    return;
  }
  const std::string label = "all " + std::to_string(model.alike) + " layers with " + model.policy;
  f.ui.places["params.all"] = {area.x, y - t.px(11), t.px(24), t.px(22)};
  draw_toggle(t, "params.all", area.x, y, label, f.ui.params.all_layers);
}

void draw_popover(Frame& f, Rect chip) {
  const Theme& t = f.theme;
  if (!ImGui::IsPopupOpen(kPopup)) return;
  const ParamsModel model = condense_params(f.ui);
  const float w = t.px(kWidth), inset = t.px(kInset);
  const float h = t.px(kHead + 10) + t.px(kRow) * static_cast<float>(model.rows.size());
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  const float x = std::max(t.px(4), std::min(chip.x, screen.x - w - t.px(4)));
  const float y = std::max(t.px(4), chip.y - t.px(4) - h);
  ImGui::SetNextWindowPos(ImVec2(x, y));
  ImGui::SetNextWindowSize(ImVec2(w, h));
  push_style(t);
  if (ImGui::BeginPopup(kPopup, ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoScrollbar)) {
    f.ui.places["params"] = {x, y, w, h};
    draw_head(f, model, {x + inset, y + t.px(4), w - 2 * inset, t.px(kHead)});
    float top = y + t.px(kHead + 2);
    for (const ParamRow& row : model.rows) {
      draw_param_row(f, model, row, {x + inset, top, w - 2 * inset, t.px(kRow)});
      top += t.px(kRow);
    }
    if (!f.ui.params.dragging.empty() && ImGui::IsKeyPressed(kKeyEscape, false)) {
      f.ui.params.dragging.clear();
      cancel_edit_drag(f);
    } else if (model.rows.empty() || ImGui::IsKeyPressed(kKeyEscape, false)) {
      ImGui::CloseCurrentPopup();
    }
    ImGui::EndPopup();
  }
  pop_style();
}

}  // namespace

float draw_params_chip(Frame& f, Rect room) {
  const Theme& t = f.theme;
  if (!f.ui.params.dragging.empty() && !ImGui::IsMouseDown(0)) {
    f.ui.params.dragging.clear();
    end_edit_drag(f);
  }
  const ParamsModel model = condense_params(f.ui);
  if (model.layer < 0 || room.w < t.px(80)) return 0;
  const std::string layer = "L" + std::to_string(model.layer);
  if (model.rows.empty()) {
    const std::string none = layer + ": " + model.policy + " has no parameters";
    return draw_text(t, t.font.small, room.x, room.y + room.h / 2, t.color.text3, none, Align::left,
                     room.w);
  }
  const float wanted = text_width(t.font.mono, layer) + text_width(t.font.body, model.summary);
  const Rect chip = {room.x, room.y, std::min(room.w, std::round(wanted) + t.px(36)), room.h};
  f.ui.places["params.chip"] = chip;
  if (draw_chip(t, "params.chip", chip, layer, model.summary)) ImGui::OpenPopup(kPopup);
  if (ImGui::IsItemHovered())
    draw_tooltip(t, {layer + " " + model.policy + ": parameters", model.summary, "click to edit"});
  draw_popover(f, chip);
  return chip.w;
}

}  // namespace polykv
