#include "core/assets.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "core/error.h"

namespace polykv {

namespace fs = std::filesystem;

std::string asset_path(const std::string& name) {
  std::vector<fs::path> folders;
  if (const char* chosen = std::getenv("POLYKV_ASSETS"); chosen != nullptr && *chosen != '\0') {
    folders.emplace_back(chosen);
  } else {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
    if (!error) {
      folders.push_back(program / "assets");
      folders.push_back(program.parent_path() / "assets");
    }
#ifdef POLYKV_ASSETS
    folders.emplace_back(POLYKV_ASSETS);
#endif
  }

  std::string looked_in;
  for (const fs::path& folder : folders) {
    std::error_code error;
    if (fs::exists(folder / name, error)) return (folder / name).string();
    looked_in += (looked_in.empty() ? "" : ", ") + folder.string();
  }
  fail_input(name, "",
             "this file of the studio was not found in " + looked_in +
                 "; set POLYKV_ASSETS to the folder that holds it");
}

}  // namespace polykv
