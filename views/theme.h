#pragma once
// Colours, fonts and measures of look.md. One value; no globals.
#include <imgui.h>

namespace polykv {

enum class ThemeKind { dark, light, contrast };

struct Palette {  // names as in look.md, section 4
  ImU32 ground, panel, raised, hover, wash, line, edge, hatch, on;
  ImU32 text, text2, text3, accent, kept, evicted, sink, recent, needle, protected_, run_b, ok,
      warn, error;
  ImU32 needle_fill, needle_outline;                              // tint and its 1 px dark outline
  ImU32 pill_ok, pill_warn, pill_accent, pill_text2, pill_text3;  // opaque mixes
  ImU32 budget_fill, needle_word, lost_word;                      // opaque mixes
};

struct Fonts {  // null before load_fonts: every draw falls back to ImGui's own
  ImFont *small = nullptr, *small_medium = nullptr, *body = nullptr, *strong = nullptr,
         *value = nullptr, *mono = nullptr;  // 12, 12 medium, 13, 13 semibold, 20 semibold, mono 12
};

struct Theme {
  ThemeKind kind = ThemeKind::dark;
  Palette color;
  Fonts font;
  float scale = 1.0f;             // UI scale 0.75 .. 2.5
  float px(float logical) const;  // logical pixels to whole device pixels
};

Palette make_palette(ThemeKind kind);
ImU32 mix(ImU32 base, ImU32 over, float share);  // opaque mix in sRGB

// 256-entry maps; t in [0, 1]; NaN gives the raised colour of the caller.
enum class ColorMap { viridis, cividis, magma, grey };
ImU32 map_color(ColorMap map, float t);

}  // namespace polykv
