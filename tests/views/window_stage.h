#pragma once
// A window without a screen: ImGui with its built-in font, drawn into nothing, with synthetic
// input.
#include <imgui.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/fake_snapshot.h"
#include "views/views.h"

namespace polykv {

class Stage {
 public:
  Stage(Snapshot snapshot, Ui start, float width = 1600, float height = 1000)
      : now(std::move(snapshot)), ui(std::move(start)) {
    context_ = ImGui::CreateContext();
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.BackendFlags |= ImGuiBackendFlags_RendererHasVtxOffset;  // as the OpenGL 3 backend
    io.DisplaySize = ImVec2(width, height);
    unsigned char* pixels = nullptr;
    int w = 0, h = 0;
    io.Fonts->GetTexDataAsRGBA32(&pixels, &w, &h);
    io.Fonts->SetTexID(nullptr);
    theme.color = make_palette(theme.kind);
    draw(3);
  }
  ~Stage() { ImGui::DestroyContext(context_); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  void draw(int frames = 1) {
    for (int i = 0; i < frames; ++i) {
      ImGuiIO& io = ImGui::GetIO();
      io.DeltaTime = 1.0f / 60;
      io.MousePos = mouse;
      io.MouseDown[0] = mouse_down;
      ImGui::NewFrame();
      prepare_frame(now, ui);
      Frame frame{now, ui, theme, out};
      draw_window(frame, io.DisplaySize.x, io.DisplaySize.y);
      ImGui::Render();
    }
  }
  int vertices() const { return ImGui::GetDrawData()->TotalVtxCount; }

  void point_at(const std::string& place) {
    const auto found = ui.places.find(place);
    if (found == ui.places.end()) throw std::runtime_error("no place is called " + place);
    const Rect& r = found->second;
    mouse = ImVec2(r.x + r.w / 2, r.y + r.h / 2);
    draw(2);
  }
  void press() { mouse_down = true, draw(2); }
  void release() { mouse_down = false, draw(2); }
  void click(const std::string& place) { point_at(place), press(), release(); }
  void double_click(const std::string& place) {
    point_at(place);
    for (int i = 0; i < 2; ++i) {
      mouse_down = true, draw();
      mouse_down = false, draw();
    }
    draw(2);
  }
  // Moves by pixels in four steps while the button is down.
  void drag(float dx, float dy) {
    for (int i = 0; i < 4; ++i) {
      mouse.x += dx / 4, mouse.y += dy / 4;
      draw();
    }
  }
  void key(int code, bool ctrl = false, bool shift = false) {
    set_key(code, ctrl, shift, true);
    draw();
    set_key(code, ctrl, shift, false);
    draw(2);
  }
  void type(const std::string& text) {
    for (char c : text) ImGui::GetIO().AddInputCharacter(static_cast<unsigned char>(c));
    draw(2);
  }

  const Plan& plan() const { return ui.history.current(); }
  int budget(int layer) const {
    return plan().of(Phase::prefill)[static_cast<std::size_t>(layer)].budget.value_or(-1);
  }
  std::vector<ScorePlan> posted() const {
    std::vector<ScorePlan> plans;
    for (const Command& command : out)
      if (const auto* score = std::get_if<ScorePlan>(&command)) plans.push_back(*score);
    return plans;
  }

  Snapshot now;
  Ui ui;
  Theme theme;
  std::vector<Command> out;
  ImVec2 mouse{-1000, -1000};
  bool mouse_down = false;

 private:
  static void set_key(int code, bool ctrl, bool shift, bool down) {
    ImGuiIO& io = ImGui::GetIO();
#if IMGUI_VERSION_NUM >= 18700
    io.AddKeyEvent(static_cast<ImGuiKey>(code), down);
    io.AddKeyEvent(ImGuiMod_Ctrl, ctrl && down);
    io.AddKeyEvent(ImGuiMod_Shift, shift && down);
#else
    io.KeysDown[code] = down;
    io.KeyCtrl = ctrl && down;
    io.KeyShift = shift && down;
    // Enter and Escape of text fields go through ImGui's own map.
    io.KeyMap[ImGuiKey_Enter] = 257, io.KeyMap[ImGuiKey_Escape] = 256;
#endif
  }

  ImGuiContext* context_ = nullptr;
};

}  // namespace polykv
