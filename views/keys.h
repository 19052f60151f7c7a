#pragma once
// Keys by name over ImGui 1.86 (GLFW key codes) and later (ImGuiKey).
#include <imgui.h>

namespace polykv {

#if IMGUI_VERSION_NUM >= 18700
using KeyCode = ImGuiKey;
constexpr KeyCode kKeyLeft = ImGuiKey_LeftArrow, kKeyRight = ImGuiKey_RightArrow,
                  kKeyUp = ImGuiKey_UpArrow, kKeyDown = ImGuiKey_DownArrow,
                  kKeyEscape = ImGuiKey_Escape, kKeyEnter = ImGuiKey_Enter, kKeyY = ImGuiKey_Y,
                  kKeyZ = ImGuiKey_Z, kKeyO = ImGuiKey_O, kKeyS = ImGuiKey_S, kKeyQ = ImGuiKey_Q,
                  kKeyL = ImGuiKey_L, kKeyF1 = ImGuiKey_F1, kKeyF12 = ImGuiKey_F12,
                  kKeyHome = ImGuiKey_Home, kKeyT = ImGuiKey_T, kKeyA = ImGuiKey_A,
                  kKeyX = ImGuiKey_X, kKeyK = ImGuiKey_K, kKeyPlus = ImGuiKey_Equal,
                  kKeyMinus = ImGuiKey_Minus, kKeyZero = ImGuiKey_0;
#else
using KeyCode = int;  // GLFW_KEY_*
constexpr KeyCode kKeyLeft = 263, kKeyRight = 262, kKeyUp = 265, kKeyDown = 264, kKeyEscape = 256,
                  kKeyEnter = 257, kKeyY = 'Y', kKeyZ = 'Z', kKeyO = 'O', kKeyS = 'S', kKeyQ = 'Q',
                  kKeyL = 'L', kKeyF1 = 290, kKeyF12 = 301, kKeyHome = 268, kKeyT = 'T',
                  kKeyA = 'A', kKeyX = 'X', kKeyK = 'K', kKeyPlus = '=', kKeyMinus = '-',
                  kKeyZero = '0';
#endif

// Pressed this frame (with key repeat) while no text field and no popup has the keyboard.
inline bool key_pressed(KeyCode key, bool repeat = true) {
  return !ImGui::GetIO().WantTextInput &&
         !ImGui::IsPopupOpen("", ImGuiPopupFlags_AnyPopupId | ImGuiPopupFlags_AnyPopupLevel) &&
         ImGui::IsKeyPressed(key, repeat);
}

}  // namespace polykv
