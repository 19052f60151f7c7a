// The pre-flight card: what a model needs against what is free, and the way to open it.
#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "views/keys.h"
#include "views/opening_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr const char* kPopup = "preflight";
constexpr float kWidth = 560, kInset = 20, kRow = 22, kGap = 9;

float inner_width(const Theme& t) { return t.px(kWidth) - 2 * t.px(kInset); }

float lines_height(const Theme& t, const std::vector<CardLine>& lines) {
  float h = 0;
  for (const CardLine& line : lines) h += t.px(kRow) + (line.rule_above ? t.px(kGap) : 0);
  return h;
}

float card_height(const Theme& t, const OpeningCardModel& card) {
  float h = t.px(76);  // name, folder, verdict
  if (!card.reason.empty())
    h += wrapped_height(t.font.body, inner_width(t), card.reason) + t.px(12);
  if (!card.lines.empty()) h += lines_height(t, card.lines) + t.px(8);
  if (!card.needed.empty()) h += t.px(44);
  if (!card.window.empty()) h += t.px(kRow);
  if (!card.lengths.empty()) h += 2 * t.px(30) + t.px(8);
  return h + t.px(56);  // buttons
}

void draw_verdict(const Theme& t, float x, float y, const OpeningCardModel& card) {
  const Palette& c = t.color;
  const float r = t.px(8), cx = x + r;
  ImU32 ink = c.text2;
  if (card.verdict == Verdict::reading) {
    draw_ring(cx, y, r - 1, ink);
  } else if (card.verdict == Verdict::fits) {
    ink = c.ok;
    draw_disc(cx, y, r, ink);
    draw_tick(cx, y, r * 0.62f, c.panel);
  } else {
    ink = c.error;
    draw_cross(cx, y, r * 0.8f, ink);
  }
  draw_text(t, t.font.value, x + 2 * r + t.px(10), y, ink, card.headline);
}

float draw_lines(const Theme& t, float x, float y, const OpeningCardModel& card) {
  const Palette& c = t.color;
  const float w = inner_width(t);
  for (const CardLine& line : card.lines) {
    if (line.rule_above) {
      fill_rect({x, y + t.px(4), w, t.px(1)}, c.line);
      y += t.px(kGap);
    }
    const float middle = y + t.px(kRow) / 2;
    ImFont* font = line.strong ? t.font.strong : t.font.body;
    draw_text(t, font, x, middle, line.strong ? c.text : c.text2, line.label);
    const float value = draw_text(t, font, x + w, middle, c.text, line.value, Align::right);
    draw_text(t, t.font.small, x + t.px(130), middle, c.text3, line.note, Align::left,
              w - t.px(138) - value);
    y += t.px(kRow);
  }
  return y + t.px(8);
}

// Needed against free: the bar is as long as the larger of the two, a mark stands where memory
// ends.
float draw_bar(const Theme& t, float x, float y, const OpeningCardModel& card) {
  const Palette& c = t.color;
  const float w = inner_width(t), h = t.px(8);
  const bool over = card.verdict == Verdict::refused;
  const Rect track = {x, y, w, h};
  fill_rect(track, c.ground, t.px(3));
  draw_frame_rect(track, c.edge, t.px(1), t.px(3));
  fill_rect({x, y, std::max(t.px(2), std::round(w * static_cast<float>(card.needed_share))), h},
            over ? c.error : c.accent, t.px(3));
  if (over) {
    const float end = std::round(x + w * static_cast<float>(card.free_share));
    fill_rect({end - t.px(1), y - t.px(4), t.px(2), h + t.px(8)}, c.text);
  }
  draw_text(t, t.font.small, x, y + t.px(22), c.text2, card.needed);
  draw_text(t, t.font.small, x + w, y + t.px(22), c.text2, card.free, Align::right);
  return y + t.px(44);
}

// A row of choices; returns the index picked.
int draw_choice(Frame& f, const char* id, float x, float y, const char* label,
                const std::vector<int>& values, int current) {
  const Theme& t = f.theme;
  draw_text(t, t.font.body, x, y, t.color.text2, label);
  std::vector<std::string> words;
  float left = x + t.px(130);
  for (const int value : values) {
    words.push_back(format_count(value));
    const float w = segments_width(t, {words.back()});
    f.ui.places[std::string(id) + "." + std::to_string(value)] = {left, y - t.px(11), w, t.px(22)};
    left += w;
  }
  const int picked = draw_segments(t, id, x + t.px(130), y, words, current);
  // The trough has the surface of the card: an outline shows it.
  draw_frame_rect({x + t.px(130), std::round(y - t.px(11)), left - x - t.px(130), t.px(22)},
                  t.color.line, t.px(1), t.px(5));
  return picked;
}

void draw_buttons(Frame& f, const OpeningCardModel& card, float right, float y) {
  const Theme& t = f.theme;
  const float h = t.px(28), w = t.px(84);
  float x = right;
  if (card.verdict == Verdict::fits) {
    x -= w;
    f.ui.places["card.open"] = {x, y, w, h};
    const bool enter = ImGui::IsKeyPressed(kKeyEnter, false);
    if (draw_button(t, "open", {x, y, w, h}, "Open", true) || enter) {
      f.out.push_back(card.open);
      f.ui.opening.shown = false;
    }
    x -= t.px(8);
  }
  x -= w;
  f.ui.places["card.cancel"] = {x, y, w, h};
  const bool good = card.verdict == Verdict::fits || card.verdict == Verdict::reading;
  if (draw_button(t, "cancel", {x, y, w, h}, good ? "Cancel" : "Close") ||
      ImGui::IsKeyPressed(kKeyEscape, false))
    f.ui.opening.shown = false;
  if (card.verdict != Verdict::unsupported && card.verdict != Verdict::refused) return;
  const std::string word = "Other folder\u2026";
  const float wide = std::round(text_width(t.font.body, word)) + t.px(24);
  x -= wide + t.px(8);
  f.ui.places["card.other"] = {x, y, wide, h};
  if (draw_button(t, "other", {x, y, wide, h}, word)) {
    f.ui.opening.shown = false;
    ask_path(f.ui, f.out, FileKind::open_model, card.folder);
  }
}

void draw_card(Frame& f, const OpeningCardModel& card, Rect area) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float x = area.x + t.px(kInset);
  const float name = draw_text(t, t.font.strong, x, area.y + t.px(22), c.text, card.name,
                               Align::left, inner_width(t) * 0.6f);
  draw_text(t, t.font.small, x + name + t.px(10), area.y + t.px(22), c.text3, card.folder,
            Align::left, inner_width(t) - name - t.px(10));
  draw_verdict(t, x, area.y + t.px(52), card);
  float y = area.y + t.px(76);
  if (!card.reason.empty())
    y += draw_wrapped(t, t.font.body, x, y, inner_width(t), c.text, card.reason) + t.px(12);
  if (!card.lines.empty()) y = draw_lines(t, x, y, card);
  if (!card.needed.empty()) y = draw_bar(t, x, y, card);
  if (!card.window.empty()) {
    draw_text(t, t.font.small, x, y + t.px(2), c.text2, card.window);
    y += t.px(kRow);
  }
  if (!card.lengths.empty()) {
    const int length =
        draw_choice(f, "length", x, y + t.px(15), "Tokens a case", card.lengths, card.length);
    const int count = draw_choice(f, "cases", x, y + t.px(45), "Cases", card.counts, card.count);
    if (length != card.length) f.ui.opening.tokens = card.lengths[static_cast<std::size_t>(length)];
    if (count != card.count) f.ui.opening.cases = card.counts[static_cast<std::size_t>(count)];
  }
  draw_buttons(f, card, area.x + area.w - t.px(kInset), area.y + area.h - t.px(44));
}

}  // namespace

void draw_opening_card(Frame& f, float width, float height) {
  if (f.ui.opening.shown && !ImGui::IsPopupOpen(kPopup)) ImGui::OpenPopup(kPopup);
  if (!ImGui::IsPopupOpen(kPopup)) return;
  const Theme& t = f.theme;
  const OpeningCardModel card = condense_opening(f.now, f.ui.opening);
  const float w = t.px(kWidth), h = std::min(height, std::round(card_height(t, card)));
  const Rect area = {std::round((width - w) / 2), std::round((height - h) / 2), w, h};
  ImGui::SetNextWindowPos(ImVec2(area.x, area.y));
  ImGui::SetNextWindowSize(ImVec2(area.w, area.h));
  const bool light = t.kind == ThemeKind::light;
  fill_rect({0, 0, width, height}, IM_COL32(0, 0, 0, light ? 40 : 110));
  push_style(t);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, t.px(6));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, t.px(1));
  if (ImGui::BeginPopupModal(kPopup, nullptr,
                             ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove |
                                 ImGuiWindowFlags_NoSavedSettings)) {
    f.ui.places["card"] = area;
    if (f.ui.opening.shown) draw_card(f, card, area);
    if (!f.ui.opening.shown) ImGui::CloseCurrentPopup();
    ImGui::EndPopup();
  }
  ImGui::PopStyleVar(2);
  pop_style();
}

}  // namespace polykv
