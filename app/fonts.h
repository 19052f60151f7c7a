#pragma once
// Finds the typefaces of look.md with fontconfig and builds the font atlas.
#include <string>

#include "views/theme.h"

namespace polykv {

// Clears ImGui's font atlas and fills it with the six faces of look.md at this UI scale; falls back
// to DejaVu, then to ImGui's own font. The caller uploads the texture.
Fonts load_fonts(float scale);

// Path of the installed font file nearest to family and weight (fontconfig weight: 80 regular,
// 100 medium, 180 semibold); empty when the family is not installed.
std::string find_font(const std::string& family, int weight);

}  // namespace polykv
