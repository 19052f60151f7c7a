#include "app/display.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"

namespace polykv {
namespace {

constexpr const char* kStartedMark = "POLYKV_VIRTUAL_DISPLAY";

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = folder + "/" + name;
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

std::string own_path() {
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : "";
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> words;
  std::istringstream rest(all);
  for (std::string word; std::getline(rest, word, '\0');) words.push_back(word);
  if (!words.empty()) words.erase(words.begin());
  return words;
}

}  // namespace

void ensure_display(int width, int height) {
  if (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")) return;
  const std::string xvfb = find_program("xvfb-run"), program = own_path();
  if (xvfb.empty() || program.empty() || is_set(kStartedMark))
    throw Error(ErrorKind::failed,
                "The window needs a display: set DISPLAY, or install xvfb (apt install xvfb) for a "
                "virtual one.");
  setenv(kStartedMark, "1", 1);
  std::ostringstream screen;
  screen << "-screen 0 " << width << "x" << height << "x24";
  std::vector<std::string> words = {xvfb, "-a", "-s", screen.str(), program};
  for (std::string& word : own_arguments()) words.push_back(std::move(word));
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv(xvfb.c_str(), arguments.data());
  throw Error(ErrorKind::failed, xvfb + " could not be started.");
}

}  // namespace polykv
