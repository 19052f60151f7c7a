#pragma once
// The studio's window: GLFW + ImGui around one worker.
#include <optional>
#include <string>

#include "core/model/safetensors.h"

namespace polykv {

struct WindowOptions {
  std::string model;       // folder; empty = the embedded model
  std::string plan;        // plan file or POLICY:BUDGET; empty = the starting plan
  std::string cases;       // JSON lines; empty = 16 cases made from the embedded language
  std::string screenshot;  // not empty: wait for the exact score, write this PNG and exit
  std::string dump;        // not empty: write what the window shows as JSON at every change
  std::string theme = "dark";
  int width = 1600, height = 1000, threads = 0;
  std::optional<StoredType> dtype;  // what weights are kept in; none = the default
  float scale = 0;                  // UI scale, 0 = the monitor's
};

// Opens the window and runs until it is closed. Returns the exit code. Without a display it starts
// itself again under xvfb-run when that is there, else an Error says what to install.
int run_window(const WindowOptions& options);

// Folder of the embedded model: $POLYKV_ASSETS, beside the program, or the source tree.
std::string embedded_model_folder();

}  // namespace polykv
