#pragma once
// Keyboard, mouse buttons and dropped paths between GLFW and ImGui, one step at a time.
#include <deque>
#include <string>
#include <vector>

struct GLFWwindow;

namespace polykv {

// ImGui 1.86 only sees what is down when a frame begins: a click that is pressed and released
// between two frames, or two clicks within one, would be lost on a slow machine. Input waits here
// and is handed on so that no frame sees two changes of one key or button. From ImGui 1.87 on
// everything is handed on at once, because ImGui queues by itself.
class Input {
 public:
  // After ImGui_ImplGlfw_InitForOpenGL with its callbacks installed. `this` must outlive the
  // window.
  void watch(GLFWwindow* window);
  // Before and after ImGui_ImplGlfw_NewFrame.
  void feed();
  void place_mouse();
  // Something came since the last call, or is still waiting.
  bool take_changed();
  void drop(int count, const char** paths);
  std::vector<std::string> take_dropped();

 private:
  enum class Kind { key, character, button };
  struct Event {
    Kind kind;
    int code, scancode, action, mods;
    double x = 0, y = 0;  // pointer at the time of a button
  };

  void push(Event event);
  bool may_follow(const Event& event, const std::deque<Event>& fed) const;
  void hand_on(const Event& event);

  GLFWwindow* window_ = nullptr;
  std::deque<Event> waiting_;
  std::vector<std::string> dropped_;
  bool down_[3] = {};
  bool changed_ = false, placed_ = false;
  double x_ = 0, y_ = 0;
};

}  // namespace polykv
