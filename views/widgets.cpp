#include "views/widgets.h"

#include <algorithm>
#include <cmath>

namespace polykv {
namespace {

ImDrawList* list() { return ImGui::GetWindowDrawList(); }
ImFont* real(ImFont* font) { return font ? font : ImGui::GetFont(); }

bool invisible_button(const char* id, Rect area) {
  if (area.w < 1 || area.h < 1) return false;
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  return ImGui::InvisibleButton(id, ImVec2(area.w, area.h));
}

// Bytes of the UTF-8 character that starts at text[i].
std::size_t char_bytes(const std::string& text, std::size_t i) {
  std::size_t n = 1;
  while (i + n < text.size() && (static_cast<unsigned char>(text[i + n]) & 0xC0) == 0x80) ++n;
  return n;
}

std::string cut_to(ImFont* font, const std::string& text, float max_width) {
  const std::string dots = "\u2026";
  const float room = max_width - text_width(font, dots);
  std::size_t end = 0;
  float width = 0;
  while (end < text.size()) {
    const std::size_t n = char_bytes(text, end);
    width += text_width(font, text.substr(end, n));
    if (width > room) break;
    end += n;
  }
  while (end > 0 && text[end - 1] == ' ') --end;
  return text.substr(0, end) + dots;
}

}  // namespace

float text_width(ImFont* font, const std::string& text) {
  ImFont* f = real(font);
  return f->CalcTextSizeA(f->FontSize, 1e9f, 0, text.data(), text.data() + text.size()).x;
}

float draw_text(const Theme&, ImFont* font, float x, float y, ImU32 color, const std::string& text,
                Align align, float max_width) {
  if (text.empty()) return 0;
  ImFont* f = real(font);
  float width = text_width(f, text);
  std::string shorter;
  const std::string* shown = &text;
  if (max_width > 0 && width > max_width + 0.5f) {
    shorter = cut_to(f, text, max_width);
    shown = &shorter;
    width = text_width(f, shorter);
  }
  if (align == Align::centre) x -= width / 2;
  if (align == Align::right) x -= width;
  // Centre the capitals on y; line boxes differ between fonts.
  const ImFontGlyph* capital = f->FindGlyph('H');
  const float middle = capital ? (capital->Y0 + capital->Y1) / 2 : f->FontSize / 2;
  list()->AddText(f, f->FontSize, ImVec2(std::round(x), std::round(y - middle)), color,
                  shown->data(), shown->data() + shown->size());
  return width;
}

float wrapped_height(ImFont* font, float width, const std::string& text) {
  if (text.empty()) return 0;
  ImFont* f = real(font);
  return f->CalcTextSizeA(f->FontSize, 1e9f, width, text.data(), text.data() + text.size()).y;
}

float draw_wrapped(const Theme&, ImFont* font, float x, float y, float width, ImU32 color,
                   const std::string& text) {
  if (text.empty()) return 0;
  ImFont* f = real(font);
  list()->AddText(f, f->FontSize, ImVec2(std::round(x), std::round(y)), color, text.data(),
                  text.data() + text.size(), width);
  return wrapped_height(f, width, text);
}

Rect draw_panel(const Theme& t, Rect a, const std::string& title, const std::string& stamp,
                float busy) {
  fill_rect(a, t.color.panel);
  if (busy >= 0) fill_rect({a.x, a.y, a.w * std::clamp(busy, 0.0f, 1.0f), t.px(2)}, t.color.accent);
  const float y = a.y + t.px(15);
  float x = a.x + t.px(12);
  x += draw_text(t, t.font.strong, x, y, t.color.text, title, Align::left, a.w - t.px(24));
  x += t.px(10);
  const float room = a.x + a.w - t.px(12) - x;
  if (!stamp.empty() && room > t.px(24))
    draw_text(t, t.font.small, x, y, t.color.text3, stamp, Align::left, room);
  const float top = t.px(34);
  return {a.x + t.px(12), a.y + top, std::max(0.0f, a.w - t.px(24)), std::max(0.0f, a.h - top)};
}

Rect draw_tabbed_panel(const Theme& t, Rect a, const std::vector<std::string>& titles, int& current,
                       const std::string& stamp, float stamp_right,
                       std::map<std::string, Rect>& places, float busy) {
  const Rect body = draw_panel(t, a, "", "", busy);
  const float y = a.y + t.px(15);
  float x = a.x + t.px(12);
  const int shown = current;
  for (int i = 0; i < static_cast<int>(titles.size()); ++i) {
    const std::string& title = titles[static_cast<std::size_t>(i)];
    const float w = std::round(text_width(t.font.strong, title));  // stays when it is chosen
    const Rect tab = {x - t.px(6), a.y + t.px(3), w + t.px(12), t.px(25)};
    places["tab." + title] = tab;
    if (invisible_button(("tab " + title).c_str(), tab)) current = i;
    const bool lit = i == shown || ImGui::IsItemHovered();
    draw_text(t, i == shown ? t.font.strong : t.font.body, x, y, lit ? t.color.text : t.color.text2,
              title);
    if (i == shown) fill_rect({x, a.y + t.px(26), w, t.px(2)}, t.color.accent);
    x += w + t.px(18);
  }
  if (stamp_right - x > t.px(24))
    draw_text(t, t.font.small, x, y, t.color.text3, stamp, Align::left, stamp_right - x);
  return body;
}

bool draw_empty(const Theme& t, Rect body, const std::string& sentence, const std::string& action) {
  const float x = body.x + body.w / 2, y = body.y + body.h * 0.4f;
  draw_text(t, t.font.body, x, y, t.color.text2, sentence, Align::centre, body.w);
  if (action.empty()) return false;
  const float w = text_width(t.font.body, action) + t.px(24);
  const std::string id = "empty " + sentence;
  return draw_button(t, id.c_str(), {x - w / 2, y + t.px(16), w, t.px(24)}, action, true);
}

bool draw_button(const Theme& t, const char* id, Rect a, const std::string& label, bool primary,
                 bool enabled) {
  const bool pressed = invisible_button(id, a) && enabled;
  const bool hovered = ImGui::IsItemHovered() && enabled;
  const Palette& c = t.color;
  ImU32 fill = hovered ? c.hover : c.raised;
  if (primary) fill = hovered ? mix(c.accent, c.text, 0.12f) : c.accent;
  if (!enabled) fill = c.panel;
  fill_rect(a, fill, t.px(4));
  if (!primary || !enabled)
    draw_frame_rect(a, t.kind == ThemeKind::contrast ? c.edge : c.line, t.px(1), t.px(4));
  const ImU32 ink = !enabled ? c.text3 : primary ? c.on : c.text;
  draw_text(t, t.font.body, a.x + a.w / 2, a.y + a.h / 2, ink, label, Align::centre, a.w - t.px(8));
  return pressed;
}

float toggle_width(const Theme& t, const std::string& label) {
  return t.px(24) + t.px(8) + text_width(t.font.body, label);
}

bool draw_toggle(const Theme& t, const char* id, float x, float y, const std::string& label,
                 bool& on) {
  const Palette& c = t.color;
  const float w = t.px(24), h = t.px(14), top = std::round(y - h / 2);
  const bool pressed = invisible_button(id, {x, y - t.px(11), toggle_width(t, label), t.px(22)});
  if (pressed) on = !on;
  const bool hovered = ImGui::IsItemHovered();
  const ImU32 fill = on ? c.accent : hovered ? c.hover : c.raised;
  fill_rect({x, top, w, h}, fill, h / 2);
  if (!on) draw_frame_rect({x, top, w, h}, c.edge, t.px(1), h / 2);
  draw_disc(on ? x + w - h / 2 : x + h / 2, top + h / 2, h / 2 - t.px(3), on ? c.on : c.text2);
  draw_text(t, t.font.body, x + w + t.px(8), y, c.text2, label);
  return pressed;
}

bool draw_slider(const Theme& t, const char* id, float x, float y, float w, double& share,
                 bool enabled) {
  const Palette& c = t.color;
  const float r = t.px(6), room = std::max(1.0f, w - 2 * r);
  invisible_button(id, {x, y - t.px(10), w, t.px(20)});
  const bool held = enabled && ImGui::IsItemActive(), hot = enabled && ImGui::IsItemHovered();
  if (hot || held) ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeEW);
  if (held)
    share = std::clamp(static_cast<double>((ImGui::GetIO().MousePos.x - x - r) / room), 0.0, 1.0);
  const float at = std::round(x + r + room * static_cast<float>(std::clamp(share, 0.0, 1.0)));
  const Rect track = {x, std::round(y - t.px(2)), w, t.px(4)};
  fill_rect(track, mix(c.raised, c.edge, 0.5f), t.px(2));
  if (enabled) fill_rect({x, track.y, at - x, track.h}, c.accent, t.px(2));
  draw_disc(at, y, r, held ? c.text : enabled ? c.accent : c.text3);
  draw_disc(at, y, r - t.px(hot || held ? 4 : 3.5f), c.on);
  return held;
}

namespace {
float segment_width(const Theme& t, const std::string& word) {
  return std::round(text_width(t.font.small_medium, word)) + t.px(18);
}
}  // namespace

float segments_width(const Theme& t, const std::vector<std::string>& words) {
  float sum = 0;
  for (const std::string& word : words) sum += segment_width(t, word);
  return sum;
}

int draw_segments(const Theme& t, const char* id, float x, float y,
                  const std::vector<std::string>& words, int current, float* width) {
  const Palette& c = t.color;
  const float h = t.px(22), top = std::round(y - h / 2), total = segments_width(t, words);
  if (width) *width = total;
  fill_rect({x, top, total, h}, c.raised, t.px(5));
  if (t.kind == ThemeKind::contrast) draw_frame_rect({x, top, total, h}, c.edge, t.px(1), t.px(5));
  ImGui::PushID(id);
  int picked = current;
  float left = x;
  for (int i = 0; i < static_cast<int>(words.size()); ++i) {
    const std::string& word = words[static_cast<std::size_t>(i)];
    const Rect part = {left, top, segment_width(t, word), h};
    ImGui::PushID(i);
    if (invisible_button("segment", part)) picked = i;
    const bool hovered = ImGui::IsItemHovered();
    ImGui::PopID();
    if (i == current) {
      const bool light = t.kind == ThemeKind::light;
      fill_rect(part, light ? IM_COL32_WHITE : c.hover, t.px(5));
      draw_frame_rect(part,
                      light                           ? c.line
                      : t.kind == ThemeKind::contrast ? c.edge
                                                      : mix(c.hover, c.edge, 0.6f),
                      t.px(1), t.px(5));
    }
    const ImU32 ink = i == current ? c.text : hovered ? c.text : c.text2;
    draw_text(t, i == current ? t.font.small_medium : t.font.small, part.x + part.w / 2, y, ink,
              word, Align::centre);
    left += part.w;
  }
  ImGui::PopID();
  return picked;
}

bool draw_chip(const Theme& t, const char* id, Rect a, const std::string& code,
               const std::string& label, bool caret) {
  const Palette& c = t.color;
  const bool pressed = invisible_button(id, a);
  const bool hovered = ImGui::IsItemHovered();
  fill_rect(a, hovered ? c.hover : c.raised, t.px(4));
  if (t.kind == ThemeKind::contrast) draw_frame_rect(a, c.edge, t.px(1), t.px(4));
  const float y = a.y + a.h / 2;
  float x = a.x + t.px(8);
  if (!code.empty()) x += draw_text(t, t.font.mono, x, y, c.text3, code) + t.px(6);
  const float right = a.x + a.w - (caret ? t.px(19) : t.px(6));
  if (right > x) draw_text(t, t.font.body, x, y, c.text, label, Align::left, right - x);
  if (caret) draw_caret(a.x + a.w - t.px(11), y, c.text3);
  return pressed;
}

void draw_pill(const Theme& t, float right, float y, Pill state, const std::string& word,
               const std::string& detail, float* left) {
  const Palette& c = t.color;
  ImU32 ink = c.text3, ground = c.pill_text3;
  if (state == Pill::preview) ink = c.warn, ground = c.pill_warn;
  if (state == Pill::queued) ink = c.text2, ground = c.pill_text2;
  if (state == Pill::running) ink = c.accent, ground = c.pill_accent;
  if (state == Pill::exact) ink = c.ok, ground = c.pill_ok;
  const float h = t.px(24), r = t.px(6);
  float w = t.px(8) + 2 * r + t.px(6) + text_width(t.font.small_medium, word) + t.px(12);
  if (!detail.empty()) w += t.px(7) + text_width(t.font.small, detail);
  w = std::round(w);
  const Rect a = {std::round(right - w), std::round(y - h / 2), w, h};
  fill_rect(a, ground, h / 2);
  draw_frame_rect(a, ink, t.px(1), h / 2);
  draw_pill_shape(t, a.x + t.px(8) + r, a.y + h / 2, r, state, ink);
  float x = a.x + t.px(8) + 2 * r + t.px(6);
  x += draw_text(t, t.font.small_medium, x, a.y + h / 2, ink, word);
  if (!detail.empty()) draw_text(t, t.font.small, x + t.px(7), a.y + h / 2, c.text2, detail);
  if (left) *left = a.x;
}

}  // namespace polykv
