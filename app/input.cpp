#include "app/input.h"

#include <GLFW/glfw3.h>
#include <backends/imgui_impl_glfw.h>
#include <imgui.h>

#include <utility>

namespace polykv {
namespace {

constexpr bool kQueued = IMGUI_VERSION_NUM < 18700;

Input& input_of(GLFWwindow* window) {
  return *static_cast<Input*>(glfwGetWindowUserPointer(window));
}

bool is_control(int key) { return key == GLFW_KEY_LEFT_CONTROL || key == GLFW_KEY_RIGHT_CONTROL; }

}  // namespace

void Input::watch(GLFWwindow* window) {
  window_ = window;
  glfwSetWindowUserPointer(window, this);
  glfwSetKeyCallback(window, [](GLFWwindow* w, int key, int scancode, int action, int mods) {
    input_of(w).push({Kind::key, key, scancode, action, mods});
  });
  glfwSetCharCallback(window, [](GLFWwindow* w, unsigned character) {
    input_of(w).push({Kind::character, static_cast<int>(character), 0, GLFW_PRESS, 0});
  });
  glfwSetCursorPosCallback(window,
                           [](GLFWwindow* w, double, double) { input_of(w).changed_ = true; });
  glfwSetMouseButtonCallback(window, [](GLFWwindow* w, int button, int action, int mods) {
    Event event{Kind::button, button, 0, action, mods};
    glfwGetCursorPos(w, &event.x, &event.y);
    input_of(w).push(event);
  });
}

void Input::push(Event event) {
  waiting_.push_back(event);
  changed_ = true;
}

bool Input::take_changed() {
  const bool changed = changed_ || !waiting_.empty();
  changed_ = false;
  return changed;
}

void Input::drop(int count, const char** paths) {
  dropped_.insert(dropped_.end(), paths, paths + count);
  changed_ = true;
}

std::vector<std::string> Input::take_dropped() { return std::exchange(dropped_, {}); }

// Whether a frame that already got `fed` may also get `event`.
bool Input::may_follow(const Event& event, const std::deque<Event>& fed) const {
  for (const Event& before : fed) {
    if (before.kind == Kind::button) return false;  // the pointer belongs to the button
    if (event.kind == Kind::button) return false;
    if (event.kind == Kind::key && before.kind == Kind::key && before.code == event.code)
      return false;
    // Text goes with text; keys that act on the text come in a frame of their own.
    if (event.kind == Kind::key && before.kind == Kind::character && event.action == GLFW_PRESS)
      return false;
    if (event.kind == Kind::character && before.kind == Kind::key && is_control(before.code))
      return false;
    // A modifier is let go after the frame in which its key was pressed.
    if (event.kind == Kind::key && before.kind == Kind::key && event.action == GLFW_RELEASE &&
        before.action == GLFW_PRESS)
      return false;
  }
  return true;
}

void Input::hand_on(const Event& event) {
  switch (event.kind) {
    case Kind::key:
      ImGui_ImplGlfw_KeyCallback(window_, event.code, event.scancode, event.action, event.mods);
      break;
    case Kind::character:
      ImGui_ImplGlfw_CharCallback(window_, static_cast<unsigned>(event.code));
      break;
    case Kind::button:
      ImGui_ImplGlfw_MouseButtonCallback(window_, event.code, event.action, event.mods);
      if (event.code >= 0 && event.code < 3) down_[event.code] = event.action == GLFW_PRESS;
      x_ = event.x, y_ = event.y;
      placed_ = true;
      break;
  }
}

void Input::feed() {
  placed_ = false;
  std::deque<Event> fed;
  while (!waiting_.empty() && (!kQueued || may_follow(waiting_.front(), fed))) {
    hand_on(waiting_.front());
    fed.push_back(waiting_.front());
    waiting_.pop_front();
  }
}

void Input::place_mouse() {
#if IMGUI_VERSION_NUM < 18700
  ImGuiIO& io = ImGui::GetIO();
  for (int i = 0; i < 3; ++i) io.MouseDown[i] = down_[i];
  if (placed_) io.MousePos = ImVec2(static_cast<float>(x_), static_cast<float>(y_));
#endif
}

}  // namespace polykv
