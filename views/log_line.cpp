// The last line: what happened last at the left, the case in hand at the right.
#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "views/context_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

struct Said {
  std::string text;
  bool is_error = false;
};

// What the window itself has to say goes before running work, that before the log.
Said last_said(const Snapshot& now, const Ui& ui) {
  if (!ui.message.empty()) return {ui.message, ui.message_is_error};
  const bool busy = now.work.kind == Work::loading || now.work.kind == Work::prefill ||
                    now.work.kind == Work::measuring || now.work.kind == Work::tuning ||
                    now.work.kind == Work::checking;
  if (busy && !now.work.what.empty()) return {work_words(now.work), false};
  if (now.log.empty()) return {};
  return {now.log.back().text, now.log.back().kind == LogLine::Kind::error};
}

std::string case_words(const Snapshot& now, const Ui& ui, bool small) {
  if (!now.cases || now.cases->cases.empty()) return "";
  const auto count = static_cast<int>(now.cases->cases.size());
  const int at = std::clamp(ui.selected.case_index, 0, count - 1);
  const CaseText& text = now.cases->cases[static_cast<std::size_t>(at)];
  std::string words = "case " + format_count(at + 1) + " of " + format_count(count);
  if (!small)
    words += " \u00b7 " + format_count(text.context) + " + " + format_count(text.question) + " + " +
             format_count(text.answer) + " tokens";
  return words;
}

// What can be cancelled shows how far it is along the top edge, and a button; returns its width.
float draw_work(Frame& f, Rect area, float x) {
  const Theme& t = f.theme;
  const WorkState& work = f.now.work;
  const bool can_stop = work.kind == Work::loading || work.kind == Work::prefill ||
                        work.kind == Work::measuring || work.kind == Work::tuning;
  if (!can_stop) return 0;
  const float share = std::clamp(static_cast<float>(work.share), 0.0f, 1.0f);
  fill_rect({area.x, area.y, std::round(area.w * share), t.px(2)}, t.color.accent);
  const float w = std::round(text_width(t.font.body, "Cancel")) + t.px(20), h = t.px(24);
  const Rect button = {x, area.y + (area.h - h) / 2, w, h};
  f.ui.places["cancel"] = button;
  if (draw_button(t, "cancel", button, "Cancel")) f.out.push_back(CancelWork{});
  return w + t.px(10);
}

}  // namespace

void draw_log_line(Frame& f, Rect area) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  fill_rect(area, c.ground);
  const float y = area.y + area.h / 2;
  float right = area.x + area.w - t.px(12);
  const float keys = text_width(t.font.small, "F1 keys");
  const Rect key_area = {right - keys - t.px(6), y - t.px(11), keys + t.px(12), t.px(22)};
  f.ui.places["keys"] = key_area;
  ImGui::SetCursorScreenPos(ImVec2(key_area.x, key_area.y));
  if (ImGui::InvisibleButton("keys", ImVec2(key_area.w, key_area.h)))
    f.ui.show_keys = !f.ui.show_keys;
  if (ImGui::IsItemHovered()) fill_rect(key_area, c.hover, t.px(4));
  draw_text(t, t.font.small, right, y, c.text2, "F1 keys", Align::right);
  right = key_area.x - t.px(16);
  right -= draw_text(t, t.font.small, right, y, c.text3,
                     case_words(f.now, f.ui, area.w < t.px(1440)), Align::right);

  const Said said = last_said(f.now, f.ui);
  float x = area.x + t.px(12);
  x += draw_work(f, area, x);
  const float room = right - t.px(24) - x;
  if (said.text.empty() || room < t.px(40)) return;
  const Rect text_area = {x, area.y + t.px(4), room, area.h - t.px(8)};
  f.ui.places["log"] = text_area;
  ImGui::SetCursorScreenPos(ImVec2(text_area.x, text_area.y));
  ImGui::InvisibleButton("log", ImVec2(text_area.w, text_area.h));
  if (ImGui::IsItemHovered() && !f.now.log.empty()) {
    std::vector<std::string> lines = {"Log"};
    const std::size_t first = f.now.log.size() > 12 ? f.now.log.size() - 12 : 0;
    for (std::size_t i = first; i < f.now.log.size(); ++i) {
      const LogLine& line = f.now.log[i];
      lines.push_back((line.kind == LogLine::Kind::error ? "error: " : "") + line.text);
    }
    draw_tooltip(t, lines);
  }
  if (said.is_error) {
    draw_cross(x + t.px(5), y, t.px(5), c.error);
    x += t.px(18);
  }
  draw_text(t, t.font.body, x, y, said.is_error ? c.error : c.text2, said.text, Align::left,
            room - t.px(18));
}

}  // namespace polykv
