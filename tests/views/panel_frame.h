#pragma once
// One ImGui frame without a window: draws a panel and lets a test move the pointer and press keys.
#include <imgui.h>

#include <vector>

#include "tests/support/fake_snapshot.h"
#include "views/views.h"

namespace polykv {

class PanelFrame {
 public:
  PanelFrame() {
    ImGui::CreateContext();
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.DisplaySize = ImVec2(1600, 1000);
    io.DeltaTime = 1 / 60.0f;
    unsigned char* pixels = nullptr;
    int width = 0, height = 0;
    io.Fonts->GetTexDataAsRGBA32(&pixels, &width, &height);
    io.MousePos = ImVec2(-1, -1);
    theme.color = make_palette(ThemeKind::dark);
  }
  ~PanelFrame() { ImGui::DestroyContext(); }
  PanelFrame(const PanelFrame&) = delete;
  PanelFrame& operator=(const PanelFrame&) = delete;

  // Draws one frame of one panel; returns the number of vertices it made.
  int draw(void (*panel)(Frame&, Rect), const Snapshot& now, Ui& ui, Rect area) {
    ImGui::NewFrame();
    ImGui::SetNextWindowPos(ImVec2(0, 0));
    ImGui::SetNextWindowSize(ImGui::GetIO().DisplaySize);
    ImGui::Begin("studio", nullptr, ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove);
    Frame f{now, ui, theme, out};
    panel(f, area);
    ImGui::End();
    ImGui::Render();
    ImGui::GetIO().MouseWheel = 0;
    return ImGui::GetDrawData()->TotalVtxCount;
  }
  void point_at(float x, float y) { ImGui::GetIO().MousePos = ImVec2(x, y); }
  void point_at(Rect r) { point_at(r.x + r.w / 2, r.y + r.h / 2); }
  void click(void (*panel)(Frame&, Rect), const Snapshot& now, Ui& ui, Rect area) {
    for (bool down : {false, true, false}) {
      ImGui::GetIO().MouseDown[0] = down;
      draw(panel, now, ui, area);
    }
  }
  void press(int key, void (*panel)(Frame&, Rect), const Snapshot& now, Ui& ui, Rect area) {
    for (bool down : {true, false}) {
      ImGui::GetIO().KeysDown[key] = down;
      draw(panel, now, ui, area);
    }
  }

  Theme theme;
  std::vector<Command> out;
};

}  // namespace polykv
