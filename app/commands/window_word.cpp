// No word: the window. Its options are those of a start from a desktop or a script.
#include <cstdio>

#include "app/commands/inputs.h"
#include "app/window.h"
#include "core/error.h"

namespace polykv {
namespace {

void read_size(const std::string& text, WindowOptions& options) {
  char rest = 0;
  const int read = std::sscanf(text.c_str(), "%dx%d%c", &options.width, &options.height, &rest);
  const auto fine = [](int side) { return side >= 320 && side <= 16384; };
  if (read != 2 || !fine(options.width) || !fine(options.height)) {
    throw Error(
        ErrorKind::usage,
        "--size: expected WxH in pixels from 320 to 16384, such as 1600x1000, not '" + text + "'");
  }
}

int run(const Options& given) {
  WindowOptions options;
  options.model = given.text("--model");
  options.plan = given.text("--plan");
  options.cases = given.text("--cases");
  options.screenshot = given.text("--screenshot");
  options.dump = given.text("--dump");
  options.theme = given.choice("--theme", options.theme, {"dark", "light", "contrast"});
  if (given.has("--size")) read_size(given.text("--size"), options);
  options.scale = static_cast<float>(given.number("--scale", 0, 0.75, 2.5));
  options.threads = given.integer("--threads", 0, 0, 4096);
  options.dtype = dtype_option(given);
  return run_window(options);
}

constexpr Option kOptions[] = {
    {"--model", "DIR",
     "Hugging Face folder, opened when it fits in memory; without it the embedded model"},
    {"--plan", "P", "plan file or POLICY:BUDGET[+ALLOCATOR] to start with"},
    {"--cases", "FILE", "JSON lines; without it 16 needle cases are made"},
    {"--screenshot", "PNG", "write a picture of the window once the score is exact, then exit"},
    {"--dump", "JSON", "write what the window shows at every change"},
    {"--theme", "WORD", "dark (default), light or contrast"},
    {"--size", "WxH", "pixels (default 1600x1000)"},
    {"--scale", "X", "UI scale 0.75 to 2.5 (default: the monitor's)"},
    {"--dtype", "fp32|bf16|fp16",
     "type weights are kept in (default fp32 up to 4 GiB, else stored)"},
    {"--threads", "N", "processor threads, 0 = all (default)"},
};

}  // namespace

const Word kWindowWord = {"", "The studio: a window on a model, its cache and its scores.", "",
                          kOptions, run};

}  // namespace polykv
