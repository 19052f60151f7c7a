// GLFW and ImGui as one object, and the loop around the worker.
#include "app/window.h"

#include <GLFW/glfw3.h>
#include <backends/imgui_impl_glfw.h>
#include <backends/imgui_impl_opengl3.h>
#include <imgui.h>
#include <unistd.h>

#include <algorithm>
#include <cfloat>
#include <chrono>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "app/desk.h"
#include "app/display.h"
#include "app/dump.h"
#include "app/fonts.h"
#include "app/input.h"
#include "app/picture.h"
#include "core/assets.h"
#include "core/error.h"
#include "core/worker/worker.h"
#include "views/views.h"

namespace polykv {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kAnimationSeconds = 1.0 / 30;
constexpr double kScreenshotSeconds = 120;
constexpr int kFramesPerEvent = 2;  // ImGui shows the effect of some input one frame later

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

ThemeKind theme_from(const std::string& word) {
  if (word == "light") return ThemeKind::light;
  return word == "contrast" ? ThemeKind::contrast : ThemeKind::dark;
}

// GLFW for as long as it lives; the worker must be gone before.
struct Glfw {
  Glfw() {
    if (!glfwInit())
      throw Error(ErrorKind::failed, "The window cannot open: the display does not answer.");
  }
  ~Glfw() { glfwTerminate(); }
};

class Window {
 public:
  explicit Window(const WindowOptions& options);
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  int run();

 private:
  void open_glfw_window();
  void open_imgui();
  void watch_input();
  void set_theme();
  void draw_frame();
  void render();
  void save_picture();
  void send_commands();
  bool screenshot_is_done();

  WindowOptions options_;
  Glfw glfw_;
  GLFWwindow* window_ = nullptr;
  Theme theme_;
  Ui ui_;
  std::vector<Command> out_;
  DumpFile dump_;
  FrameTimes times_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Desk> desk_;
  Input input_;
  float loaded_scale_ = 0;
  int ready_frames_ = 0;
  Clock::time_point started_ = Clock::now();
};

Window::Window(const WindowOptions& options) : options_(options), dump_(options.dump) {
  open_glfw_window();
  open_imgui();
  watch_input();
  WorkerOptions work;
  work.threads = options.threads;
  work.embedded_folder = embedded_model_folder();
  work.dtype = options.dtype;
  work.wake = [] { glfwPostEmptyEvent(); };
  if (options.screenshot.empty()) work.state_folder = default_state_folder();
  worker_ = std::make_unique<Worker>(std::move(work));
  desk_ = std::make_unique<Desk>(options_, ui_, out_);
  send_commands();
}

Window::~Window() {
  worker_.reset();  // its wake-ups need GLFW
  ImGui_ImplOpenGL3_Shutdown();
  ImGui_ImplGlfw_Shutdown();
  ImGui::DestroyContext();
  glfwDestroyWindow(window_);
}

void Window::open_glfw_window() {
  // 3.3: ImGui splits draw lists of more than 65,536 vertices from OpenGL 3.2 on.
  glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
  glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
  if (!options_.screenshot.empty()) glfwWindowHint(GLFW_DECORATED, GLFW_FALSE);
  window_ = glfwCreateWindow(options_.width, options_.height, "PolyKV Studio", nullptr, nullptr);
  if (!window_)
    throw Error(ErrorKind::failed, "The window cannot open: OpenGL 3.3 is not available here.");
  glfwMakeContextCurrent(window_);
  glfwSwapInterval(1);
  float x = 1, y = 1;
  glfwGetWindowContentScale(window_, &x, &y);
  ui_.scale = options_.scale > 0 ? options_.scale : std::clamp(x, 0.75f, 2.5f);
  ui_.theme = theme_from(options_.theme);
}

void Window::open_imgui() {
  ImGui::CreateContext();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.ConfigInputTextCursorBlink = false;  // nothing loops when idle
  // The card draws a veil of its own: ImGui's fades in over frames, and is drawn after pop_style.
  ImGui::GetStyle().Colors[ImGuiCol_ModalWindowDimBg] = ImVec4(0, 0, 0, 0);
  ImGui_ImplGlfw_InitForOpenGL(window_, true);
  ImGui_ImplOpenGL3_Init("#version 150");
  set_theme();
}

void Window::watch_input() {
  // GLFW offers one pointer per window and the input has it; the dropped paths go with it.
  input_.watch(window_);
  glfwSetDropCallback(window_, [](GLFWwindow* window, int count, const char** paths) {
    static_cast<Input*>(glfwGetWindowUserPointer(window))->drop(count, paths);
  });
}

void Window::set_theme() {
  if (theme_.kind != ui_.theme || loaded_scale_ == 0) {
    theme_.kind = ui_.theme;
    theme_.color = make_palette(theme_.kind);
  }
  if (loaded_scale_ == ui_.scale) return;
  const bool first = loaded_scale_ == 0;
  theme_.scale = loaded_scale_ = ui_.scale;
  theme_.font = load_fonts(ui_.scale);
  if (!first) {
    ImGui_ImplOpenGL3_DestroyFontsTexture();
    ImGui_ImplOpenGL3_CreateFontsTexture();
  }
}

void Window::send_commands() {
  for (Command& command : out_) worker_->post(std::move(command));
  out_.clear();
}

void Window::render() {
  int width = 0, height = 0;
  glfwGetFramebufferSize(window_, &width, &height);
  glViewport(0, 0, width, height);
  glClearColor(0, 0, 0, 1);
  glClear(GL_COLOR_BUFFER_BIT);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
}

void Window::draw_frame() {
  const auto start = Clock::now();
  const std::shared_ptr<const Snapshot> now = worker_->latest();
  set_theme();
  desk_->meet(*now);
  for (const std::string& path : input_.take_dropped()) desk_->dropped(*now, path);

  ImGui_ImplOpenGL3_NewFrame();
  input_.feed();
  ImGui_ImplGlfw_NewFrame();
  input_.place_mouse();
  // A picture shows the window at rest, wherever a virtual pointer stands.
  if (!options_.screenshot.empty()) ImGui::GetIO().MousePos = ImVec2(-FLT_MAX, -FLT_MAX);
  ImGui::NewFrame();
  prepare_frame(*now, ui_);
  Frame frame{*now, ui_, theme_, out_};
  const ImVec2 size = ImGui::GetIO().DisplaySize;
  draw_window(frame, size.x, size.y);
  ImGui::Render();
  render();

  desk_->do_files(*now);
  desk_->follow_selection(*now);
  send_commands();
  ++times_.frame;
  times_.width = static_cast<int>(size.x), times_.height = static_cast<int>(size.y);
  times_.frame_ms = milliseconds_since(start);
  if (times_.frame > 3) times_.max_frame_ms = std::max(times_.max_frame_ms, times_.frame_ms);
  dump_.update(*now, ui_, times_);
  if (ui_.save_picture) save_picture();
}

void Window::save_picture() {
  ui_.save_picture = false;
  std::string path = dump_.on() ? dump_.path() + ".png" : "";
  for (int i = 1; path.empty(); ++i) {
    const std::string name = "polykv-studio-" + std::to_string(i) + ".png";
    if (!std::filesystem::exists(name)) path = name;
  }
  try {
    int width = 0, height = 0;
    glfwGetFramebufferSize(window_, &width, &height);
    save_framebuffer(path, width, height);
    ui_.message = "Saved " + path + ".";
    ui_.message_is_error = false;
  } catch (const Error& error) {
    ui_.message = error.what();
    ui_.message_is_error = true;
  }
}

// True when the picture was written. Two frames are drawn after the exact score came.
bool Window::screenshot_is_done() {
  const std::shared_ptr<const Snapshot> now = worker_->latest();
  const bool failed = !now->log.empty() && now->log.back().kind == LogLine::Kind::error &&
                      now->work.kind == Work::idle;
  if (failed) throw Error(ErrorKind::input, now->log.back().text);
  const bool exact = now->scored && ui_.edit > 0 && now->scored_edit == ui_.edit;
  const bool complete = exact && !now->controls.empty() && !now->check.empty();
  const bool late = milliseconds_since(started_) > kScreenshotSeconds * 1000;
  if (late && !exact) throw Error(ErrorKind::failed, "The score was not exact after 120 s.");
  ready_frames_ = complete || late ? ready_frames_ + 1 : 0;
  if (ready_frames_ <= kFramesPerEvent) return false;
  int width = 0, height = 0;
  glfwGetFramebufferSize(window_, &width, &height);
  save_framebuffer(options_.screenshot, width, height);
  std::printf("%s: %d x %d\n", options_.screenshot.c_str(), width, height);
  return true;
}

int Window::run() {
  const bool screenshot = !options_.screenshot.empty();
  int frames_left = kFramesPerEvent;
  while (!glfwWindowShouldClose(window_) && !ui_.quit) {
    if (frames_left > 0) {
      glfwPollEvents();
    } else {
      if (ui_.wants_frame || screenshot) {
        glfwWaitEventsTimeout(screenshot ? 0.05 : kAnimationSeconds);
      } else {
        glfwWaitEvents();
      }
      frames_left = kFramesPerEvent;
    }
    if (input_.take_changed()) frames_left = kFramesPerEvent;
    draw_frame();
    --frames_left;
    if (screenshot && screenshot_is_done()) return 0;
    glfwSwapBuffers(window_);
  }
  if (screenshot) throw Error(ErrorKind::failed, "The window was closed before the picture.");
  return 0;
}

}  // namespace

int run_window(const WindowOptions& options) {
  ensure_display(options.width, options.height);
  Window window(options);
  return window.run();
}

std::string embedded_model_folder() { return asset_path("tiny-needle"); }

}  // namespace polykv
