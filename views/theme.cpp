#include "views/theme.h"

#include <cmath>

namespace polykv {
namespace {

ImU32 rgb(unsigned hex) {
  return IM_COL32((hex >> 16) & 255u, (hex >> 8) & 255u, hex & 255u, 255u);
}

Palette dark() {
  Palette p{};
  p.ground = rgb(0x0E1013), p.panel = rgb(0x15181C), p.raised = rgb(0x1F2329);
  p.hover = rgb(0x2A2F37), p.wash = rgb(0x1B2C47), p.line = rgb(0x2A2F36);
  p.edge = rgb(0x6B7583), p.hatch = rgb(0x545D69), p.on = rgb(0x0A1424);
  p.text = rgb(0xE9EBEE), p.text2 = rgb(0xB0B7C2), p.text3 = rgb(0x8F98A5);
  p.accent = rgb(0x6FA8FF), p.kept = rgb(0x2FB39B), p.evicted = rgb(0x8F98A5);
  p.sink = rgb(0xA58BFF), p.recent = rgb(0xD3E6F8), p.needle = rgb(0xFFD84A);
  p.protected_ = rgb(0x9AA7BD), p.run_b = rgb(0xF59A5C), p.ok = rgb(0x63D6A8);
  p.warn = rgb(0xF2C14E), p.error = rgb(0xFF7A7A);
  p.needle_fill = rgb(0xFFD84A), p.needle_outline = rgb(0x0A0C10);
  return p;
}

Palette light() {
  Palette p{};
  p.ground = rgb(0xECEEF1), p.panel = rgb(0xFCFCFD), p.raised = rgb(0xF1F3F5);
  p.hover = rgb(0xE9ECEF), p.wash = rgb(0xE1EBFC), p.line = rgb(0xD8DCE2);
  p.edge = rgb(0x7E8794), p.hatch = rgb(0xA4ACB7), p.on = rgb(0xFFFFFF);
  p.text = rgb(0x15181C), p.text2 = rgb(0x434B57), p.text3 = rgb(0x5C6572);
  p.accent = rgb(0x1A5BD0), p.kept = rgb(0x047562), p.evicted = rgb(0x5C6572);
  p.sink = rgb(0x7440E0), p.recent = rgb(0x16344F), p.needle = rgb(0x8A5900);
  p.protected_ = rgb(0x50607A), p.run_b = rgb(0xA04A08), p.ok = rgb(0x007758);
  p.warn = rgb(0x855C00), p.error = rgb(0x8F0038);
  p.needle_fill = rgb(0xF5BE00), p.needle_outline = rgb(0x3A2A00);
  return p;
}

Palette contrast() {
  Palette p{};
  p.ground = rgb(0x000000), p.panel = rgb(0x000000), p.raised = rgb(0x161616);
  p.hover = rgb(0x2B2B2B), p.wash = rgb(0x003A75), p.line = rgb(0x8A8A8A);
  p.edge = rgb(0xFFFFFF), p.hatch = rgb(0x6E6E6E), p.on = rgb(0x000000);
  p.text = rgb(0xFFFFFF), p.text2 = rgb(0xE4E4E4), p.text3 = rgb(0xCFCFCF);
  p.accent = rgb(0x66B3FF), p.kept = rgb(0x12C2A2), p.evicted = rgb(0xCFCFCF);
  p.sink = rgb(0xB694FF), p.recent = rgb(0xE8F4FF), p.needle = rgb(0xFFE14D);
  p.protected_ = rgb(0xB9C7DE), p.run_b = rgb(0xFFA366), p.ok = rgb(0x7CF0BE);
  p.warn = rgb(0xFFCF4D), p.error = rgb(0xFF7D7D);
  p.needle_fill = rgb(0xFFD84A), p.needle_outline = rgb(0x0A0C10);
  return p;
}

}  // namespace

ImU32 mix(ImU32 base, ImU32 over, float share) {
  auto channel = [&](int shift) {
    const float b = static_cast<float>((base >> shift) & 255u);
    const float o = static_cast<float>((over >> shift) & 255u);
    return static_cast<unsigned>(std::lround(b + (o - b) * share)) << shift;
  };
  return channel(IM_COL32_R_SHIFT) | channel(IM_COL32_G_SHIFT) | channel(IM_COL32_B_SHIFT) |
         (255u << IM_COL32_A_SHIFT);
}

Palette make_palette(ThemeKind kind) {
  const bool is_light = kind == ThemeKind::light;
  Palette p = is_light ? light() : kind == ThemeKind::contrast ? contrast() : dark();
  const float pill = is_light ? 0.10f : 0.16f;
  p.pill_ok = mix(p.panel, p.ok, pill);
  p.pill_warn = mix(p.panel, p.warn, pill);
  p.pill_accent = mix(p.panel, p.accent, pill);
  p.pill_text2 = mix(p.panel, p.text2, pill);
  p.pill_text3 = mix(p.panel, p.text3, pill);
  p.budget_fill = mix(p.panel, p.accent, is_light ? 0.74f : 0.66f);
  p.needle_word = mix(p.panel, p.needle_fill, is_light ? 0.34f : 0.18f);
  p.lost_word = mix(p.panel, p.error, is_light ? 0.12f : 0.20f);
  return p;
}

float Theme::px(float logical) const { return std::round(logical * scale); }

}  // namespace polykv
