#include "app/fonts.h"

#include <fontconfig/fontconfig.h>
#include <imgui.h>
#include <stb_truetype.h>

#include <fstream>
#include <iterator>
#include <vector>

namespace polykv {
namespace {

const ImWchar kRanges[] = {0x0020, 0x00FF, 0x0100, 0x017F, 0x2010, 0x2027, 0x2030,
                           0x203A, 0x2190, 0x2193, 0x2212, 0x2212, 0x2264, 0x2265,
                           0x23CE, 0x23CE, 0x0120, 0x0120, 0x010A, 0x010A, 0};

// stb sizes a font by ascent - descent; look.md gives sizes in em. Height of one em's line box.
float line_box_per_em(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<unsigned char> bytes{std::istreambuf_iterator<char>(file), {}};
  stbtt_fontinfo info;
  if (bytes.empty() ||
      !stbtt_InitFont(&info, bytes.data(), stbtt_GetFontOffsetForIndex(bytes.data(), 0)))
    return 1.2f;
  return stbtt_ScaleForMappingEmToPixels(&info, 1000.0f) /
         stbtt_ScaleForPixelHeight(&info, 1000.0f);
}

struct Face {
  const char *family, *fallback;
  int weight;
  float size, fallback_size, spacing;  // em sizes in logical pixels; spacing between letters
  bool tabular;
};

// Inter's 1 is narrow: give all ten figures one advance and centre each in it.
void make_tabular(ImFont* font, float em, bool semibold) {
  const float advance = 0.61f * em + (semibold ? 0.35f : 0.0f);
  for (ImWchar digit = '0'; digit <= '9'; ++digit) {
    auto* glyph = const_cast<ImFontGlyph*>(font->FindGlyphNoFallback(digit));
    if (!glyph) continue;
    const float shift = (advance - glyph->AdvanceX) / 2;
    glyph->X0 += shift, glyph->X1 += shift;
    glyph->AdvanceX = advance;
  }
  font->BuildLookupTable();
}

}  // namespace

std::string find_font(const std::string& family, int weight) {
  FcPattern* wanted = FcPatternCreate();
  FcPatternAddString(wanted, FC_FAMILY, reinterpret_cast<const FcChar8*>(family.c_str()));
  FcPatternAddInteger(wanted, FC_WEIGHT, weight);
  FcPatternAddInteger(wanted, FC_SLANT, FC_SLANT_ROMAN);
  FcConfigSubstitute(nullptr, wanted, FcMatchPattern);
  FcDefaultSubstitute(wanted);
  FcResult result = FcResultNoMatch;
  FcPattern* found = FcFontMatch(nullptr, wanted, &result);
  std::string path;
  if (found) {
    FcChar8 *file = nullptr, *name = nullptr;
    if (FcPatternGetString(found, FC_FAMILY, 0, &name) == FcResultMatch &&
        family == reinterpret_cast<const char*>(name) &&
        FcPatternGetString(found, FC_FILE, 0, &file) == FcResultMatch)
      path = reinterpret_cast<const char*>(file);
    FcPatternDestroy(found);
  }
  FcPatternDestroy(wanted);
  return path;
}

Fonts load_fonts(float scale) {
  ImFontAtlas* atlas = ImGui::GetIO().Fonts;
  atlas->Clear();
  Fonts fonts;
  const Face faces[] = {
      {"Inter", "DejaVu Sans", 80, 12, 11, 0, true},
      {"Inter", "DejaVu Sans", 100, 12, 11, 0, true},
      {"Inter", "DejaVu Sans", 80, 13, 12, 0, true},
      {"Inter", "DejaVu Sans", 180, 13, 12, 0, true},
      {"Inter", "DejaVu Sans", 180, 20, 18, -0.3f, true},
      {"JetBrains Mono", "DejaVu Sans Mono", 80, 12, 11, 0, false},
  };
  ImFont** slots[] = {&fonts.small,  &fonts.small_medium, &fonts.body,
                      &fonts.strong, &fonts.value,        &fonts.mono};
  float sizes[6] = {};
  for (int i = 0; i < 6; ++i) {
    const Face& face = faces[i];
    float em = face.size * scale;
    std::string path = find_font(face.family, face.weight);
    if (path.empty()) {
      path = find_font(face.fallback, face.weight);
      em = face.fallback_size * scale;
    }
    if (path.empty()) continue;
    sizes[i] = em;
    ImFontConfig config;
    config.OversampleH = 2, config.OversampleV = 1;
    config.PixelSnapH = false;
    config.GlyphExtraSpacing.x = face.spacing * scale;
    *slots[i] =
        atlas->AddFontFromFileTTF(path.c_str(), em * line_box_per_em(path), &config, kRanges);
  }
  if (atlas->Fonts.empty()) atlas->AddFontDefault();
  atlas->Build();
  for (int i = 0; i < 6; ++i)
    if (*slots[i] && faces[i].tabular) make_tabular(*slots[i], sizes[i], faces[i].weight == 180);
  if (fonts.body) ImGui::GetIO().FontDefault = fonts.body;
  return fonts;
}

}  // namespace polykv
