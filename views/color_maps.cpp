// Colour maps from the public-domain (CC0) matplotlib definitions, 17 stops each.
#include <algorithm>
#include <array>
#include <cmath>

#include "views/theme.h"

namespace polykv {
namespace {

using Stops = std::array<unsigned, 17>;

constexpr Stops kViridis = {0x440154, 0x48186a, 0x472d7b, 0x424086, 0x3b528b, 0x33638d,
                            0x2c728e, 0x26828e, 0x21918c, 0x1f9f88, 0x27ad81, 0x3dbc74,
                            0x5cc863, 0x81d34d, 0xaadc32, 0xd5e21a, 0xfde725};
constexpr Stops kCividis = {0x00224e, 0x002e6a, 0x1a386f, 0x32436d, 0x434e6c, 0x535a6d,
                            0x61656f, 0x6f7073, 0x7d7c78, 0x8b8778, 0x9a9376, 0xaaa073,
                            0xbbad6d, 0xccba64, 0xddc858, 0xefd748, 0xfee838};
constexpr Stops kMagma = {0x000004, 0x0a0822, 0x1d1147, 0x36106b, 0x51127c, 0x6a1c81,
                          0x832681, 0x9c2e7f, 0xb73779, 0xcf4070, 0xe55064, 0xf4695c,
                          0xfb8761, 0xfea571, 0xfec287, 0xfde0a1, 0xfcfdbf};

ImU32 between(const Stops& stops, float t) {
  const float at = t * 16.0f;
  const int low = std::min(static_cast<int>(at), 15);
  const float share = at - static_cast<float>(low);
  auto stop = [&](int i) {
    const unsigned hex = stops[static_cast<std::size_t>(i)];
    return IM_COL32((hex >> 16) & 255u, (hex >> 8) & 255u, hex & 255u, 255u);
  };
  return mix(stop(low), stop(low + 1), share);
}

// 0x10 to 0xf2, even in CIE L*.
ImU32 grey(float t) {
  constexpr float kLow = 4.68f, kHigh = 95.60f;  // L* of #101010 and #f2f2f2
  const float lightness = kLow + (kHigh - kLow) * t;
  const float f = (lightness + 16.0f) / 116.0f;
  const float linear = lightness > 8.0f ? f * f * f : lightness / 903.3f;
  const float s =
      linear <= 0.0031308f ? 12.92f * linear : 1.055f * std::pow(linear, 1 / 2.4f) - 0.055f;
  const auto g = static_cast<unsigned>(std::lround(std::clamp(s, 0.0f, 1.0f) * 255.0f));
  return IM_COL32(g, g, g, 255u);
}

}  // namespace

ImU32 map_color(ColorMap map, float t) {
  t = std::isnan(t) ? 0.0f : std::clamp(t, 0.0f, 1.0f);
  switch (map) {
    case ColorMap::cividis:
      return between(kCividis, t);
    case ColorMap::magma:
      return between(kMagma, t);
    case ColorMap::grey:
      return grey(t);
    case ColorMap::viridis:
      break;
  }
  return between(kViridis, t);
}

}  // namespace polykv
