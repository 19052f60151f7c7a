// Popups: menus, tool tips and the look of ImGui's own widgets.
#include <algorithm>
#include <cmath>

#include "views/keys.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr int kStyleColors = 9, kStyleVars = 6;

ImVec4 color4(ImU32 color) { return ImGui::ColorConvertU32ToFloat4(color); }

float item_width(const Theme& t, const MenuItem& item) {
  float w = text_width(t.font.body, item.label);
  if (item.hint_at > 0) {
    const float hint = text_width(t.font.small, item.hint);
    return t.px(item.hint_at) + (item.max_hint > 0 ? std::min(hint, t.px(item.max_hint)) : hint);
  }
  if (!item.code.empty()) w += text_width(t.font.mono, item.code) + t.px(8);
  if (!item.hint.empty()) {
    const float hint = text_width(t.font.small, item.hint);
    w += t.px(28) + (item.max_hint > 0 ? std::min(hint, t.px(item.max_hint)) : hint);
  }
  return w;
}

void draw_item(const Theme& t, const MenuItem& item, Rect row, bool lit) {
  const Palette& c = t.color;
  if (lit) fill_rect(row, c.wash, t.px(4));
  const ImU32 ink = item.enabled ? c.text : c.text3;
  const float y = row.y + row.h / 2;
  float x = row.x + t.px(8);
  if (item.checked) draw_tick(x + t.px(4), y, t.px(5), c.accent);
  x += t.px(16);
  if (!item.code.empty()) x += draw_text(t, t.font.mono, x, y, c.text3, item.code) + t.px(8);
  draw_text(t, t.font.body, x, y, ink, item.label);
  if (item.hint_at > 0) {
    x = row.x + t.px(24 + item.hint_at);
    draw_text(t, t.font.small, x, y, item.enabled ? c.text2 : c.text3, item.hint, Align::left,
              row.x + row.w - t.px(8) - x);
  } else if (!item.hint.empty())
    draw_text(t, t.font.small, row.x + row.w - t.px(8), y, c.text3, item.hint, Align::right,
              item.max_hint > 0 ? t.px(item.max_hint) : 0);
}

}  // namespace

void push_style(const Theme& t) {
  const Palette& c = t.color;
  const bool light = t.kind == ThemeKind::light;
  const ImU32 surface = light ? IM_COL32_WHITE : c.raised;
  ImGui::PushStyleColor(ImGuiCol_PopupBg, color4(surface));
  ImGui::PushStyleColor(ImGuiCol_Border, color4(c.edge));
  ImGui::PushStyleColor(ImGuiCol_Text, color4(c.text));
  ImGui::PushStyleColor(ImGuiCol_FrameBg, color4(c.raised));
  ImGui::PushStyleColor(ImGuiCol_FrameBgHovered, color4(c.raised));
  ImGui::PushStyleColor(ImGuiCol_FrameBgActive, color4(c.raised));
  ImGui::PushStyleColor(ImGuiCol_TextSelectedBg, color4(mix(c.raised, c.accent, 0.4f)));
  ImGui::PushStyleColor(ImGuiCol_ScrollbarBg, color4(surface));
  ImGui::PushStyleColor(ImGuiCol_TextDisabled, color4(c.text3));
  ImGui::PushStyleVar(ImGuiStyleVar_PopupRounding, t.px(6));
  ImGui::PushStyleVar(ImGuiStyleVar_PopupBorderSize, t.px(1));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(t.px(4), t.px(4)));
  ImGui::PushStyleVar(ImGuiStyleVar_FrameRounding, t.px(4));
  ImGui::PushStyleVar(ImGuiStyleVar_FrameBorderSize, 0);
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(0, 0));
}

void pop_style() {
  ImGui::PopStyleVar(kStyleVars);
  ImGui::PopStyleColor(kStyleColors);
}

bool menu_is_open(const char* id) { return ImGui::IsPopupOpen(id); }

int draw_menu(const Theme& t, const char* id, bool open, float x, float y,
              const std::vector<MenuItem>& items, std::map<std::string, Rect>* places) {
  if (open) ImGui::OpenPopup(id);
  if (!ImGui::IsPopupOpen(id)) return -1;
  const float row = t.px(26), pad = t.px(4), gap = t.px(9);
  float width = t.px(120), height = 2 * pad;
  for (const MenuItem& item : items) {
    width = std::max(width, std::round(item_width(t, item)) + t.px(36));
    height += row + (item.line_above ? gap : 0);
  }
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  const int count = static_cast<int>(items.size()), columns = height > screen.y * 0.66f ? 2 : 1;
  const int in_column = (count + columns - 1) / columns;
  const float one = std::min(width, (screen.x - 2 * pad - t.px(8)) / static_cast<float>(columns));
  if (columns > 1) height = 2 * pad + row * static_cast<float>(in_column);
  width = one * static_cast<float>(columns);
  x = std::max(t.px(4), std::min(x, screen.x - width - 2 * pad - t.px(4)));
  if (y + height > screen.y - t.px(4)) y = std::max(t.px(4), y - t.px(28) - height);
  ImGui::SetNextWindowPos(ImVec2(x, y));
  ImGui::SetNextWindowSize(ImVec2(width + 2 * pad, height));
  push_style(t);
  int picked = -1;
  if (ImGui::BeginPopup(id, ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoScrollbar)) {
    float top = y + pad, left = x + pad;
    for (int i = 0; i < count; ++i) {
      const MenuItem& item = items[static_cast<std::size_t>(i)];
      if (i > 0 && i % in_column == 0) left += one, top = y + pad;
      if (item.line_above && columns == 1) {
        fill_rect({x + pad, top + gap / 2 - t.px(1), width, t.px(1)}, t.color.line);
        top += gap;
      }
      ImGui::PushID(i);
      const Rect area = {left, top, one, row};
      ImGui::SetCursorScreenPos(ImVec2(left, top));
      const bool pressed = ImGui::InvisibleButton("item", ImVec2(one, row)) && item.enabled;
      const bool lit = ImGui::IsItemHovered() && item.enabled;
      ImGui::PopID();
      if (places) (*places)[id + ("." + item.label)] = area;
      draw_item(t, item, area, lit);
      if (pressed) picked = i;
      top += row;
    }
    if (picked >= 0 || ImGui::IsKeyPressed(kKeyEscape, false)) ImGui::CloseCurrentPopup();
    ImGui::EndPopup();
  }
  pop_style();
  return picked;
}

void draw_tooltip(const Theme& t, const std::vector<std::string>& lines) {
  float width = 0;
  for (std::size_t i = 0; i < lines.size(); ++i)
    width = std::max(width, text_width(i == 0 ? t.font.strong : t.font.small, lines[i]));
  const float row = t.px(20), pad = t.px(10);
  const float w = std::round(width) + 2 * pad;
  const float h = row * static_cast<float>(lines.size()) + t.px(10);
  const ImVec2 mouse = ImGui::GetIO().MousePos, screen = ImGui::GetIO().DisplaySize;
  float x = mouse.x + t.px(12), y = mouse.y + t.px(14);
  if (x + w > screen.x - t.px(4)) x = screen.x - t.px(4) - w;
  if (y + h > screen.y - t.px(4)) y = mouse.y - t.px(8) - h;
  push_style(t);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, t.px(6));
  ImGui::SetNextWindowPos(ImVec2(std::round(x), std::round(y)));
  ImGui::SetNextWindowSize(ImVec2(w, h));
  ImGui::BeginTooltip();
  for (std::size_t i = 0; i < lines.size(); ++i)
    draw_text(t, i == 0 ? t.font.strong : t.font.small, std::round(x) + pad,
              std::round(y) + t.px(5) + row * (static_cast<float>(i) + 0.5f),
              i == 0 ? t.color.text : t.color.text2, lines[i]);
  ImGui::EndTooltip();
  ImGui::PopStyleVar();
  pop_style();
}

}  // namespace polykv
