#include "views/theme.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace polykv {
namespace {

constexpr ThemeKind kThemes[] = {ThemeKind::dark, ThemeKind::light, ThemeKind::contrast};

double channel(ImU32 color, int shift) {
  const double c = ((color >> shift) & 255u) / 255.0;
  return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

double luminance(ImU32 color) {
  return 0.2126 * channel(color, IM_COL32_R_SHIFT) + 0.7152 * channel(color, IM_COL32_G_SHIFT) +
         0.0722 * channel(color, IM_COL32_B_SHIFT);
}

// WCAG 2 contrast.
double contrast(ImU32 a, ImU32 b) {
  const double la = luminance(a), lb = luminance(b);
  return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

}  // namespace

TEST_CASE("every text and mark colour reads at 4.5 or better on every surface of its theme") {
  for (const ThemeKind kind : kThemes) {
    const Palette p = make_palette(kind);
    for (const ImU32 surface : {p.ground, p.panel, p.raised, p.hover, p.wash})
      for (const ImU32 ink : {p.text, p.text2, p.text3, p.accent, p.kept, p.evicted, p.sink,
                              p.recent, p.needle, p.protected_, p.run_b, p.ok, p.warn, p.error})
        CHECK(contrast(ink, surface) >= 4.5);
    CHECK(contrast(p.on, p.accent) >= 4.5);
  }
}

TEST_CASE("a pill's word reads on its tint") {
  for (const ThemeKind kind : kThemes) {
    const Palette p = make_palette(kind);
    CHECK(contrast(p.ok, p.pill_ok) >= 4.5);
    CHECK(contrast(p.warn, p.pill_warn) >= 4.5);
    CHECK(contrast(p.accent, p.pill_accent) >= 4.5);
    CHECK(contrast(p.text2, p.pill_text2) >= 4.5);
    CHECK(contrast(p.text3, p.pill_text3) >= 4.5);
    CHECK(contrast(p.text, p.needle_word) >= 4.5);
    CHECK(contrast(p.error, p.lost_word) >= 4.5);
    CHECK(contrast(p.budget_fill, p.raised) >= 2.5);
  }
}

TEST_CASE("mix goes from the base to the colour over it, opaque") {
  const ImU32 black = IM_COL32(0, 0, 0, 255), white = IM_COL32(255, 255, 255, 255);
  CHECK(mix(black, white, 0) == black);
  CHECK(mix(black, white, 1) == white);
  CHECK(mix(black, white, 0.5f) == IM_COL32(128, 128, 128, 255));
  CHECK(mix(IM_COL32(10, 20, 30, 0), IM_COL32(20, 40, 60, 0), 0.5f) == IM_COL32(15, 30, 45, 255));
}

TEST_CASE("colour maps hit matplotlib's ends and middle and grow lighter all the way") {
  CHECK(map_color(ColorMap::viridis, 0) == IM_COL32(0x44, 0x01, 0x54, 255));
  CHECK(map_color(ColorMap::viridis, 0.5f) == IM_COL32(0x21, 0x91, 0x8c, 255));
  CHECK(map_color(ColorMap::viridis, 1) == IM_COL32(0xfd, 0xe7, 0x25, 255));
  CHECK(map_color(ColorMap::cividis, 0) == IM_COL32(0x00, 0x22, 0x4e, 255));
  CHECK(map_color(ColorMap::cividis, 1) == IM_COL32(0xfe, 0xe8, 0x38, 255));
  CHECK(map_color(ColorMap::magma, 1) == IM_COL32(0xfc, 0xfd, 0xbf, 255));
  CHECK(map_color(ColorMap::grey, 0) == IM_COL32(0x10, 0x10, 0x10, 255));
  CHECK(map_color(ColorMap::grey, 1) == IM_COL32(0xf2, 0xf2, 0xf2, 255));
  for (const ColorMap map :
       {ColorMap::viridis, ColorMap::cividis, ColorMap::magma, ColorMap::grey}) {
    double last = -1;
    for (int i = 0; i <= 32; ++i) {
      const double now = luminance(map_color(map, static_cast<float>(i) / 32));
      CHECK(now > last);
      last = now;
    }
    CHECK(map_color(map, -1) == map_color(map, 0));
    CHECK(map_color(map, 7) == map_color(map, 1));
    CHECK(map_color(map, std::numeric_limits<float>::quiet_NaN()) == map_color(map, 0));
  }
}

TEST_CASE("px gives whole device pixels at every scale") {
  Theme theme;
  for (const float scale : {0.75f, 1.0f, 1.25f, 1.5f, 2.5f}) {
    theme.scale = scale;
    for (int i = 0; i < 40; ++i) {
      const float px = theme.px(static_cast<float>(i));
      CHECK(px == std::floor(px));
      CHECK(std::fabs(px - static_cast<float>(i) * scale) <= 0.5f);
    }
  }
}

}  // namespace polykv
