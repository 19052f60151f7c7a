#pragma once
// The real program under a virtual display of its own, driven by synthetic input.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/files.h"
#include "tests/support/scratch.h"

namespace polykv {

// A child process that ends with this object.
class Child {
 public:
  Child(const std::vector<std::string>& words, const std::vector<std::string>& environment,
        int pass_fd = -1) {
    pid_ = fork();
    if (pid_ == 0) {
      for (const std::string& entry : environment) putenv(const_cast<char*>(entry.c_str()));
      std::vector<char*> argv;
      for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    if (pass_fd >= 0) close(pass_fd);
  }
  ~Child() { stop(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  bool running() { return pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0; }
  void stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

// Xvfb on a free display number, which it writes to a pipe.
class VirtualDisplay {
 public:
  explicit VirtualDisplay(const std::string& size) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
    server_ = std::make_unique<Child>(
        std::vector<std::string>{"Xvfb", "-displayfd", std::to_string(ends[1]), "-screen", "0",
                                 size + "x24", "-nolisten", "tcp"},
        std::vector<std::string>{}, ends[1]);
    char digit = 0;
    while (read(ends[0], &digit, 1) == 1 && digit != '\n') number_ += digit;
    close(ends[0]);
    if (number_.empty()) throw std::runtime_error("Xvfb did not start");
  }
  std::string environment() const { return "DISPLAY=:" + number_; }

 private:
  std::unique_ptr<Child> server_;
  std::string number_;
};

class RealWindow {
 public:
  RealWindow(const std::string& size, const std::vector<std::string>& arguments) : display_(size) {
    std::vector<std::string> words = {POLYKV_BINARY, "--dump", dump_path(), "--size", size};
    words.insert(words.end(), arguments.begin(), arguments.end());
    // A state folder of its own: what a test opens does not enter a person's recent list.
    program_ = std::make_unique<Child>(
        words, std::vector<std::string>{display_.environment(), "XDG_STATE_HOME=" + folder_.path});
  }

  std::string dump_path() const { return folder_.file("shown.json"); }
  std::string picture_path() const { return dump_path() + ".png"; }
  const ScratchFolder& folder() const { return folder_; }

  // What the window shows now; null before the first frame.
  Json shown() const {
    if (!std::filesystem::exists(dump_path())) return nullptr;
    return read_json_file(dump_path());
  }

  // Waits until what is shown fulfils the condition; throws after 90 s with the last state.
  Json wait_for(const std::string& what, const std::function<bool(const Json&)>& is_so) {
    Json last;
    for (int i = 0; i < 900; ++i) {
      last = shown();
      if (!last.is_null() && is_so(last)) return last;
      if (!program_->running()) throw std::runtime_error("the program ended: waiting for " + what);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    throw std::runtime_error("nothing came of waiting for " + what + ": " +
                             last.dump().substr(0, 1500));
  }
  Json wait_exact(std::uint64_t after_edit = 0) {
    return wait_for("an exact score", [&](const Json& j) {
      return j["pill"] == "exact" && j["scored_edit"].get<std::uint64_t>() > after_edit &&
             j["controls"] == 2;
    });
  }

  // xdotool words, e.g. {"mousemove", "10", "20"}.
  void input(const std::string& words) const {
    const std::string line = display_.environment() + " xdotool " + words;
    if (std::system(line.c_str()) != 0) throw std::runtime_error("failed: " + line);
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
  void move_to(double x, double y) const {
    input("mousemove " + std::to_string(static_cast<int>(x)) + " " +
          std::to_string(static_cast<int>(y)));
  }
  void click(const Json& place) const {
    move_to(place[0].get<double>() + place[2].get<double>() / 2,
            place[1].get<double>() + place[3].get<double>() / 2);
    input("click 1");
  }
  // A popup takes the pointer one frame after its places are known; on a busy machine that frame
  // may come late.
  void let_popup_open() const {
    move_to(640, 5);
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
  }
  // F12 and the picture it writes.
  void take_picture() {
    std::filesystem::remove(picture_path());
    input("key F12");
    wait_for("a picture", [&](const Json&) { return std::filesystem::exists(picture_path()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }

 private:
  ScratchFolder folder_;
  VirtualDisplay display_;
  std::unique_ptr<Child> program_;
};

}  // namespace polykv
