#pragma once
// A screen for panels without a window: ImGui frames with a mouse and keys, and what was drawn.
#include <imgui.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/fake_snapshot.h"
#include "views/views.h"

namespace polykv {

class Screen {
 public:
  Screen(float width, float height) : width_(width), height_(height) {
    before_ = ImGui::GetCurrentContext();
    context_ = ImGui::CreateContext();
    ImGui::SetCurrentContext(context_);
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.BackendFlags |= ImGuiBackendFlags_RendererHasVtxOffset;
    unsigned char* pixels = nullptr;
    int w = 0, h = 0;
    io.Fonts->GetTexDataAsRGBA32(&pixels, &w, &h);
    for (int i = 0; i < ImGuiKey_COUNT && i < 512; ++i) io.KeyMap[i] = i;
    theme.color = make_palette(theme.kind);
  }
  ~Screen() {
    ImGui::DestroyContext(context_);
    ImGui::SetCurrentContext(before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  using Draw = std::function<void(Frame&, Rect)>;
  // One frame of one panel that fills the screen; returns the vertices drawn.
  int frame(const Snapshot& now, Ui& ui, const Draw& draw, int key = -1, char typed = 0) {
    ImGuiIO& io = ImGui::GetIO();
    io.DisplaySize = ImVec2(width_, height_);
    io.DeltaTime = 0.1f;
    io.MousePos = mouse;
    io.MouseDown[0] = down;
    io.MouseWheel = wheel;
    io.KeyShift = shift;
    wheel = 0;
    if (key >= 0) io.KeysDown[key] = true;
    if (typed) io.AddInputCharacter(static_cast<unsigned>(typed));
    ImGui::NewFrame();
    prepare_frame(now, ui);
    ImGui::SetNextWindowPos(ImVec2(0, 0));
    ImGui::SetNextWindowSize(io.DisplaySize);
    ImGui::Begin("screen", nullptr, ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove);
    Frame f{now, ui, theme, out};
    draw(f, {0, 0, width_, height_});
    ImGui::End();
    ImGui::Render();
    if (key >= 0) io.KeysDown[key] = false;
    return ImGui::GetDrawData()->TotalVtxCount;
  }

  ImVec2 mouse = ImVec2(-100, -100);
  bool down = false, shift = false;
  float wheel = 0;
  Theme theme;
  std::vector<Command> out;

 private:
  float width_, height_;
  ImGuiContext *context_ = nullptr, *before_ = nullptr;
};

}  // namespace polykv
