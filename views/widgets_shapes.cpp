// Shapes of look.md: hatch, dashes, marks. Drawn with lines and paths, never glyphs.
#include <algorithm>
#include <cmath>

#include "views/widgets.h"

namespace polykv {
namespace {

constexpr float kPi = 3.14159265f;

ImDrawList* list() { return ImGui::GetWindowDrawList(); }

// The UI scale as the shapes without a theme see it: 13 px of Inter are a line box of 15.7 px.
float text_scale() { return ImGui::GetFontSize() / 15.7f; }

}  // namespace

void fill_rect(Rect a, ImU32 color, float rounding) {
  const ImVec2 low(std::round(a.x), std::round(a.y));
  const ImVec2 high(std::round(a.x + a.w), std::round(a.y + a.h));
  if (high.x > low.x && high.y > low.y) list()->AddRectFilled(low, high, color, rounding);
}

void draw_hatch(const Theme& t, Rect a, ImU32 color, float pitch, float thickness) {
  const float step = std::max(2.0f, pitch * t.scale);
  const float x0 = std::round(a.x), y0 = std::round(a.y);
  const float x1 = std::round(a.x + a.w), y1 = std::round(a.y + a.h);
  if (x1 <= x0 || y1 <= y0) return;
  // Lines x + y = s for every multiple s of the pitch: the phase belongs to the window, so that
  // neighbours join. Clipped by hand to the rectangle.
  for (float s = std::ceil((x0 + y0) / step) * step; s < x1 + y1; s += step) {
    const float left = std::max(x0, s - y1), right = std::min(x1, s - y0);
    if (right > left)
      list()->AddLine(ImVec2(left, s - left), ImVec2(right, s - right), color, thickness * t.scale);
  }
}

void draw_frame_rect(Rect a, ImU32 color, float thickness, float rounding) {
  const float half = thickness / 2;
  list()->AddRect(ImVec2(std::round(a.x) + half, std::round(a.y) + half),
                  ImVec2(std::round(a.x + a.w) - half, std::round(a.y + a.h) - half), color,
                  rounding, 0, thickness);
}

void draw_dashed_line(float x0, float y0, float x1, float y1, ImU32 color, float on, float off) {
  const float length = std::hypot(x1 - x0, y1 - y0);
  if (length <= 0 || on + off <= 0) return;
  const float dx = (x1 - x0) / length, dy = (y1 - y0) / length;
  for (float at = 0; at < length; at += on + off) {
    const float end = std::min(at + on, length);
    list()->AddLine(ImVec2(x0 + dx * at, y0 + dy * at), ImVec2(x0 + dx * end, y0 + dy * end), color,
                    1.0f);
  }
}

void draw_tick(float x, float y, float r, ImU32 color) {
  const ImVec2 points[] = {ImVec2(x - 0.85f * r, y + 0.05f * r),
                           ImVec2(x - 0.25f * r, y + 0.65f * r),
                           ImVec2(x + 0.85f * r, y - 0.65f * r)};
  list()->AddPolyline(points, 3, color, 0, std::max(1.4f, r * 0.36f));
}

void draw_cross(float x, float y, float r, ImU32 color) {
  const float d = r * 0.7f, thick = std::max(1.4f, r * 0.36f);
  list()->AddLine(ImVec2(x - d, y - d), ImVec2(x + d, y + d), color, thick);
  list()->AddLine(ImVec2(x - d, y + d), ImVec2(x + d, y - d), color, thick);
}

void draw_caret(float x, float y, ImU32 color) {
  const float w = 3.5f * text_scale(), h = 2.25f * text_scale();
  list()->AddTriangleFilled(ImVec2(x - w, y - h), ImVec2(x + w, y - h), ImVec2(x, y + h), color);
}

void draw_lock(float x, float y, ImU32 color, bool closed) {
  // Body 9 x 6.5 with a shackle above; open: the shackle stands to the right, turned out.
  const float k = text_scale(), r = 2.6f * k;
  x = std::round(x), y = std::round(y);
  list()->AddRectFilled(ImVec2(x - 4.5f * k, y - k), ImVec2(x + 4.5f * k, y + 5.5f * k), color,
                        1.2f * k);
  const float cx = closed ? x : x + 4.5f * k;
  list()->PathLineTo(ImVec2(cx - r, y - k));
  list()->PathLineTo(ImVec2(cx - r, y - r));
  list()->PathArcTo(ImVec2(cx, y - r), r, kPi, 2 * kPi, 10);
  list()->PathLineTo(ImVec2(cx + r, closed ? y - k : y - 2 * k));
  list()->PathStroke(color, 0, 1.5f * k);
}

void draw_ring(float x, float y, float r, ImU32 color, float thickness) {
  list()->AddCircle(ImVec2(x, y), r, color, 24, thickness);
}

void draw_disc(float x, float y, float r, ImU32 color) {
  list()->AddCircleFilled(ImVec2(x, y), r, color, 24);
}

void draw_diamond(float x, float y, float r, ImU32 color, float thickness) {
  const ImVec2 points[] = {ImVec2(x - r, y), ImVec2(x, y - r), ImVec2(x + r, y), ImVec2(x, y + r)};
  list()->AddPolyline(points, 4, color, ImDrawFlags_Closed, thickness);
}

void draw_pill_shape(const Theme& t, float x, float y, float r, Pill state, ImU32 color) {
  switch (state) {
    case Pill::preview:  // left half filled ring
      draw_ring(x, y, r - 0.7f, color, 1.5f);
      list()->PathArcTo(ImVec2(x, y), r - 0.7f, kPi / 2, 3 * kPi / 2, 16);
      list()->PathFillConvex(color);
      break;
    case Pill::queued:
      for (int i = -1; i <= 1; ++i)
        draw_disc(x + static_cast<float>(i) * r * 0.72f, y, r * 0.24f, color);
      break;
    case Pill::running: {  // ring with a turning quarter arc, one turn in 1.2 s
      draw_ring(x, y, r - 0.7f, mix(t.color.panel, color, 0.4f), 1.5f);
      const float turn = static_cast<float>(std::fmod(ImGui::GetTime() / 1.2, 1.0)) * 2 * kPi;
      list()->PathArcTo(ImVec2(x, y), r - 0.7f, turn, turn + kPi / 2, 10);
      list()->PathStroke(color, 0, 2.0f);
      break;
    }
    case Pill::exact:
      draw_disc(x, y, r, color);
      draw_tick(x, y, r * 0.62f, t.color.panel);
      break;
    case Pill::stale:
      draw_ring(x, y, r - 0.7f, color, 1.3f);
      for (int i = -1; i <= 1; ++i) {
        const float o = static_cast<float>(i) * r * 0.55f;
        const float half = std::sqrt(std::max(0.0f, r * r * 0.6f - o * o * 0.5f)) * 0.7f;
        list()->AddLine(ImVec2(x + o * 0.7f - half, y + o * 0.7f + half),
                        ImVec2(x + o * 0.7f + half, y + o * 0.7f - half), color, 1.1f);
      }
      break;
    case Pill::none:
      break;
  }
}

}  // namespace polykv
