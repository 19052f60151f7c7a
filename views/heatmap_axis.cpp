// The mouse on the remembered-token axis, the same in every panel that has it.
#include <algorithm>
#include <cmath>

#include "views/heatmap_parts.h"

namespace polykv {

AxisInput use_axis(Frame& f, const char* id, Rect area, const TokenAxis& axis, int tokens) {
  AxisInput input;
  if (area.w < 1 || area.h < 1) return input;
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  ImGui::InvisibleButton(id, ImVec2(area.w, area.h));
  const ImGuiIO& io = ImGui::GetIO();
  HeatUi& heat = f.ui.heat;
  TokenView view = {heat.first, heat.count};
  const float mouse = std::clamp(io.MousePos.x, axis.x, axis.x + axis.w);
  input.hovered = ImGui::IsItemHovered();

  if (input.hovered && io.MouseWheel != 0) {
    view = zoom_view(view, tokens, (mouse - axis.x) / axis.w, std::pow(0.8, io.MouseWheel));
  }
  if (input.hovered && io.MouseWheelH != 0) {
    view = pan_view(view, tokens, -io.MouseWheelH * axis.count / 10);
  }
  if (ImGui::IsItemActivated()) {
    heat.drag_x = heat.box_x0 = heat.box_x1 = mouse;
    heat.boxing = io.KeyShift;
    heat.panning = false;
  }
  if (ImGui::IsItemActive()) {
    heat.box_x1 = mouse;
    if (!heat.boxing && std::abs(io.MousePos.x - heat.drag_x) >= 3) heat.panning = true;
    if (heat.panning) {
      view = pan_view(view, tokens, (heat.drag_x - io.MousePos.x) / axis.token_width());
      heat.drag_x = io.MousePos.x;
      ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeAll);
    }
  }
  if (ImGui::IsItemDeactivated()) {
    const float left = std::min(heat.box_x0, heat.box_x1);
    const float right = std::max(heat.box_x0, heat.box_x1);
    if (heat.boxing && right - left >= 4) {
      view = clamp_view({axis.token_at(left), axis.token_at(right) - axis.token_at(left)}, tokens);
    }
    input.clicked = input.hovered && !heat.panning && !heat.boxing;
    heat.boxing = heat.panning = false;
  }
  heat.first = view.first, heat.count = view.count;
  return input;
}

}  // namespace polykv
