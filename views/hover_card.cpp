// The hover card: one cell in words.
#include <algorithm>
#include <cmath>

#include "views/heatmap_parts.h"

namespace polykv {
namespace {

// The token in bold between its neighbours, at most three on each side, as many as fit.
void draw_in_context(const Theme& t, const CaseText& text, int token, float x, float y,
                     float room) {
  const int n = static_cast<int>(text.tokens.size());
  std::string before, after;
  std::string bold = visible_text(text.tokens[token]);
  if (bold == " ") bold = "\u201C \u201D";
  float used = text_width(t.font.strong, bold);
  bool left = true, right = true;
  for (int d = 1; d <= 3; ++d) {
    if (left && token - d >= 0) {
      const std::string more = visible_text(text.tokens[token - d]);
      left = used + text_width(t.font.body, more) <= room;
      if (left) before = more + before, used += text_width(t.font.body, more);
    }
    if (right && token + d < n) {
      const std::string more = visible_text(text.tokens[token + d]);
      right = used + text_width(t.font.body, more) <= room;
      if (right) after += more, used += text_width(t.font.body, more);
    }
  }
  before.erase(
      0, before.find_first_not_of(' ') == std::string::npos ? 0 : before.find_first_not_of(' '));
  if (before.empty() && bold.size() > 1 && bold[0] == ' ') bold.erase(0, 1);
  x += draw_text(t, t.font.body, x, y, t.color.text2, before);
  x += draw_text(t, t.font.strong, x, y, t.color.text, bold, Align::left, room);
  draw_text(t, t.font.body, x, y, t.color.text2, after);
}

std::string value_text(float value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 0.01f ? "%.4f" : "%.3f", value);
  return value > 0 && value < 0.00005f ? "< 0.0001" : text;
}

// Swatch, word and rule on one line.
void draw_verdict(const Theme& t, const Verdict& v, float x, float y, float right) {
  const float size = t.px(10);
  const Rect swatch = {x, y - size / 2, size, size};
  if (v.kept) {
    fill_rect(swatch, t.color.kept, t.px(2));
  } else {
    fill_rect(swatch, t.color.ground);
    draw_hatch(t, swatch, t.color.hatch, 5);
    draw_frame_rect(swatch, t.color.edge, t.px(1));
  }
  x += size + t.px(8);
  x += draw_text(t, t.font.strong, x, y, v.kept ? t.color.kept : t.color.text,
                 v.kept ? "kept" : "evicted");
  x += t.px(8);
  draw_text(t, t.font.body, x, y, t.color.text2, v.rule, Align::left, right - x);
}

Verdict verdict_now(const Frame& f, const LayerCut& cut, int kv_head, int token) {
  const QueryVisibility query = cut.preview ? f.ui.history.current().query : f.now.plan.query;
  return verdict(cut, scores_of(f.now, cut, query), kv_head, token);
}

}  // namespace

ImVec2 place_card(float x, float y, float w, float h, ImVec2 screen, Rect avoid, float gap) {
  const auto inside = [](float v, float size, float limit) {
    return std::max(0.0f, std::min(v, limit - size));
  };
  ImVec2 at(x + gap, y + gap);
  if (at.x + w > screen.x) at.x = x - gap - w;
  if (at.y + h > screen.y) at.y = y - gap - h;
  at = ImVec2(inside(at.x, w, screen.x), inside(at.y, h, screen.y));
  const auto covers = [&](ImVec2 p) {
    return avoid.w > 0 && p.x < avoid.x + avoid.w && avoid.x < p.x + w && p.y < avoid.y + avoid.h &&
           avoid.y < p.y + h;
  };
  if (!covers(at)) return at;
  for (const ImVec2 other :
       {ImVec2(x - gap - w, at.y), ImVec2(at.x, y - gap - h), ImVec2(avoid.x + avoid.w + gap, at.y),
        ImVec2(avoid.x - gap - w, at.y), ImVec2(at.x, avoid.y - gap - h),
        ImVec2(at.x, avoid.y + avoid.h + gap)}) {
    const ImVec2 p(inside(other.x, w, screen.x), inside(other.y, h, screen.y));
    if (!covers(p)) return p;
  }
  return at;
}

void draw_hover_card(Frame& f, const HeatScene& s, HeatCell cell, float x, float y, Rect avoid,
                     bool pinned) {
  const Theme& t = f.theme;
  const float w = t.px(330), h = t.px(134), pad = t.px(12);
  const ImVec2 at = place_card(x, y, w, h, ImGui::GetIO().DisplaySize, avoid, t.px(12));
  // A tool tip window of its own: drawn above every panel, deaf to the mouse.
  ImGui::PushStyleVar(ImGuiStyleVar_WindowMinSize, ImVec2(1, 1));
  ImGui::SetNextWindowPos(ImVec2(std::round(at.x), std::round(at.y)));
  ImGui::SetNextWindowSize(ImVec2(w, h));
  ImGui::Begin("##hover card", nullptr,
               ImGuiWindowFlags_Tooltip | ImGuiWindowFlags_NoInputs |
                   ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoBackground |
                   ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_NoMove |
                   ImGuiWindowFlags_NoFocusOnAppearing | ImGuiWindowFlags_NoNav);
  const Rect box = {std::round(at.x), std::round(at.y), w, h};
  ImGui::PushClipRect(ImVec2(0, 0), ImGui::GetIO().DisplaySize, false);
  const bool light = t.kind == ThemeKind::light;
  fill_rect({box.x + t.px(3), box.y + t.px(4), w, h}, IM_COL32(0, 0, 0, light ? 26 : 89), t.px(6));
  fill_rect(box, light ? IM_COL32_WHITE : t.color.raised, t.px(6));
  draw_frame_rect(box, t.color.edge, t.px(1), t.px(6));

  const int asking = s.tile.first_row + cell.row;
  const float value =
      s.tile.values[static_cast<std::size_t>(cell.row) * s.tile.columns + cell.column];
  const float left = box.x + pad, right = box.x + w - pad, column = left + t.px(80);
  float line = box.y + t.px(18);
  const std::string head =
      "L" + std::to_string(s.tile.layer) + " \u00B7 H" + std::to_string(s.tile.head);
  if (cell.column > asking) {
    draw_text(t, t.font.strong, left, line, t.color.text, "Not seen");
    draw_text(t, t.font.body, right, line, t.color.text2, head, Align::right);
  } else {
    const float end =
        left + draw_text(t, t.font.strong, left, line, t.color.text, value_text(value));
    draw_text(t, t.font.body, end + t.px(8), line, t.color.text2, "attention, " + head);
    draw_text(t, t.font.small, right, line, t.color.text2,
              "rank " + format_count(rank_in_row(s.tile, cell.row, cell.column)) + " of " +
                  format_count(seen_in_row(s.tile, cell.row)),
              Align::right);
  }
  line += t.px(24);
  draw_text(t, t.font.small, left, line, t.color.text3, "asking");
  draw_in_context(t, s.text, asking, column, line, right - column);
  line += t.px(20);
  draw_text(t, t.font.small, left, line, t.color.text3, "remembered");
  draw_in_context(t, s.text, cell.column, column, line, right - column);
  line += t.px(14);
  fill_rect({left, line, right - left, t.px(1)}, t.color.line);
  line += t.px(15);
  if (cell.column > asking) {
    draw_text(t, t.font.body, left, line, t.color.text2, "This token comes after the asking one.");
  } else {
    draw_verdict(t, verdict_now(f, s.cut, s.kv_head, cell.column), left, line, right);
  }
  line += t.px(23);
  const float end = left + draw_text(t, t.font.small, left, line, t.color.text3,
                                     format_count(asking) + " \u00D7 " + format_count(cell.column));
  draw_text(t, t.font.small, end + t.px(12), line, t.color.text3,
            pinned ? "pinned, Esc unpins" : "click to pin");
  ImGui::PopClipRect();
  ImGui::End();
  ImGui::PopStyleVar();
}

void draw_token_tip(Frame& f, const LayerCut& cut, int kv_head, int token,
                    const std::string& extra) {
  const CaseText* text = looked_case(f.now);
  if (!text || token < 0 || token >= static_cast<int>(text->tokens.size())) return;
  const Verdict v = verdict_now(f, cut, kv_head, token);
  std::string word = visible_text(text->tokens[token]);
  if (word.size() > 1 && word[0] == ' ') word.erase(0, 1);
  const std::string where = "L" + std::to_string(cut.layer) +
                            (cut.heads_differ() ? ", KV " + std::to_string(kv_head) : "");
  std::vector<std::string> lines = {
      "\u201C" + word + "\u201D at " + format_count(token),
      std::string(v.kept ? "kept" : "evicted") + " in " + where + ": " + v.rule};
  for (std::size_t i = 0; i < text->source.needles.size(); ++i) {
    const Span& span = text->source.needles[i];
    if (token < span.first || token > span.last) continue;
    lines.push_back(i == 0 ? "part of the needle" : "part of another fact");
  }
  if (!extra.empty()) lines.push_back(extra);
  draw_tooltip(f.theme, lines);
}

}  // namespace polykv
