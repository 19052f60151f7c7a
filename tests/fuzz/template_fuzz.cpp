// libFuzzer target: chat_template.jinja of a model folder; two talks are rendered.
#include <cstdint>

#include "core/error.h"
#include "tests/fuzz/open_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const polykv::ScratchFolder folder;  // one for all inputs: making folders is slow
  try {
    polykv::fuzz::open_template(folder, std::string(reinterpret_cast<const char*>(data), size));
  } catch (const polykv::Error& error) {
    if (error.kind() != polykv::ErrorKind::input) throw;
  }
  return 0;
}
