#pragma once
// Where the files that ship with the studio lie.
#include <string>

namespace polykv {

// Path of an asset, a file or a folder ("needle-language.json", "tiny-needle"). $POLYKV_ASSETS is
// the only place when it is set; else assets/ beside the executable, assets/ one folder up, the
// source tree. Throws an input Error naming the asset and where it was looked for.
std::string asset_path(const std::string& name);

}  // namespace polykv
