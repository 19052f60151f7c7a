#pragma once
// The rows of a needle grid as they are written, and how parts of a grid are joined.
#include <string>
#include <vector>

#include "core/files.h"

namespace polykv {

inline constexpr const char* kNeedleFormat = "polykv-needle/1";

// Throws an input Error naming the file that does not belong, is there twice or is missing.
Json merge_needle_rows(const std::vector<Json>& parts, const std::vector<std::string>& paths);

}  // namespace polykv
