// F1: every key of the window on one sheet.
#include <imgui.h>

#include <cmath>

#include "views/keys.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

struct KeyLine {
  const char *keys, *what;  // no keys: a heading
};

constexpr KeyLine kLines[] = {
    {"", "Layers"},
    {"Left, Right", "select the layer before, after"},
    {"Up, Down", "one token more, less (Shift: 8)"},
    {"Drag a bar", "change a budget; Esc goes back"},
    {"Double click a value", "type it: 96, 10% or 48 KiB"},
    {"K", "keep total on, off"},
    {"L", "lock, unlock the selected layer"},
    {"Click the L chip", "parameters of the selected layer"},
    {"Ctrl Z", "undo"},
    {"Ctrl Shift Z, Ctrl Y", "redo"},
    {"", "Heatmap"},
    {"Wheel", "zoom at the pointer"},
    {"Drag", "move along the remembered tokens"},
    {"Shift drag", "zoom to a box"},
    {"Home, N", "show everything, go to the needle"},
    {"[ and ]", "head before, after"},
    {"Click, then Esc or X", "pin a cell, unpin it"},
    {"", "Tune"},
    {"T", "the tune panel, then its next part"},
    {"A, Shift A", "apply the suggestion: this layer, all"},
    {"", "Window"},
    {"Page Up, Page Down", "case before, after"},
    {"Ctrl O, Ctrl S", "open a model, save the plan"},
    {"Ctrl +, Ctrl \u2212, Ctrl 0", "UI scale"},
    {"F12", "save a picture of the window"},
    {"F1", "this sheet"},
    {"Ctrl Q", "quit"},
};

}  // namespace

void draw_key_sheet(Frame& f, float width, float height) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float row = t.px(22), w = t.px(460);
  float h = t.px(56);
  for (const KeyLine& line : kLines) h += line.keys[0] ? row : row + t.px(8);
  const Rect card = {std::round((width - w) / 2), std::round((height - h) / 2), w, h};
  f.ui.places["key_sheet"] = card;

  ImGui::SetNextWindowPos(ImVec2(0, 0));
  ImGui::SetNextWindowSize(ImVec2(width, height));
  ImGui::PushStyleColor(ImGuiCol_WindowBg,
                        IM_COL32(0, 0, 0, t.kind == ThemeKind::light ? 40 : 110));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0);
  ImGui::Begin(
      "keys", nullptr,
      ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings);
  ImGui::PopStyleVar();
  ImGui::PopStyleColor();
  fill_rect({card.x + t.px(3), card.y + t.px(4), card.w, card.h}, IM_COL32(0, 0, 0, 90), t.px(6));
  fill_rect(card, t.kind == ThemeKind::light ? IM_COL32_WHITE : c.raised, t.px(6));
  draw_frame_rect(card, c.edge, t.px(1), t.px(6));
  const float left = card.x + t.px(20);
  draw_text(t, t.font.strong, left, card.y + t.px(22), c.text, "Keys");
  draw_text(t, t.font.small, card.x + card.w - t.px(20), card.y + t.px(22), c.text3,
            "Esc or a click closes", Align::right);
  float y = card.y + t.px(36);
  for (const KeyLine& line : kLines) {
    const bool heading = !line.keys[0];
    if (heading) y += t.px(8);
    const float middle = y + row / 2;
    if (heading) {
      draw_text(t, t.font.small_medium, left, middle, c.accent, line.what);
    } else {
      draw_text(t, t.font.body, left, middle, c.text, line.keys);
      draw_text(t, t.font.small, left + t.px(170), middle, c.text2, line.what);
    }
    y += row;
  }
  const bool clicked = ImGui::IsWindowHovered() && ImGui::IsMouseClicked(0);
  if (clicked || ImGui::IsKeyPressed(kKeyEscape, false)) f.ui.show_keys = false;
  ImGui::End();
}

}  // namespace polykv
