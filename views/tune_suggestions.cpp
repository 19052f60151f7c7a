// What the calibration suggests: a sentence per layer, and Apply.
#include <cmath>

#include "views/tune_parts.h"
#include "views/views.h"

namespace polykv {
namespace {

void draw_line(Frame& f, const Suggestion& one, Rect row) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float y = row.y + row.h / 2;
  const bool selected = one.layer == f.ui.selected.layer;
  const std::string name = std::to_string(one.layer);
  ImGui::PushID(one.layer);
  float right = row.x + row.w - t.px(6);
  bool pressed = false;
  const bool offers = !one.agrees && !one.locked;
  const Rect text = {row.x, row.y, row.w - t.px(92), row.h};
  ImGui::SetCursorScreenPos(ImVec2(text.x, text.y));
  if (ImGui::InvisibleButton("line", ImVec2(text.w, text.h))) f.ui.selected.layer = one.layer;
  if (selected) fill_rect(row, c.wash, t.px(4));
  if (offers) {
    const float w = std::round(text_width(t.font.body, "Apply")) + t.px(20);
    const float h = std::min(t.px(22), row.h - t.px(2));
    const Rect button = {right - w, std::round(y - h / 2), w, h};
    f.ui.places["tune.apply." + name] = button;
    pressed = draw_button(t, "apply", button, "Apply");
    right -= w + t.px(12);
  } else {
    const std::string word = one.agrees ? "in the plan" : "locked";
    right -= draw_text(t, t.font.small, right, y, one.agrees ? c.ok : c.text3, word, Align::right);
    right -= t.px(10);
    if (one.agrees) draw_tick(right, y, t.px(5), c.ok);
    if (one.locked && !one.agrees) draw_lock(right, y, c.text3, true);
    right -= t.px(14);
  }
  ImGui::PopID();
  float x = row.x + t.px(6);
  draw_text(t, t.font.strong, x, y, c.text, "L" + name);
  x += t.px(34);
  draw_text(t, t.font.mono, x, y, c.text3, one.code);
  x += t.px(24);
  draw_text(t, t.font.body, x, y, one.agrees ? c.text2 : c.text, one.sentence, Align::left,
            right - x);
  if (pressed) give_policy(f, one.layer, one.policy);
}

}  // namespace

void draw_suggestions(Frame& f, const SuggestView& view, Rect body) {
  const Theme& t = f.theme;
  if (!view.missing.empty()) {
    const bool can = nothing_to_measure(f.now, f.ui).empty() && !tuning(f.now);
    if (draw_empty(t, body, view.missing, can ? "Calibrate" : "")) start_calibration(f);
    return;
  }
  const float y = body.y + (t.px(kTuneRow) - t.px(4)) / 2;
  float x = body.x, right = body.x + body.w;
  const int by = f.ui.tune.measure == "nll_increase" ? 1 : f.ui.tune.measure == "cosine" ? 0 : -1;
  const int picked = draw_tune_segments(f, "tune by", x, y, {"by cosine", "by NLL"}, by);
  if (picked != by) f.ui.tune.measure = picked == 1 ? "nll_increase" : "cosine";
  if (draw_tune_button(f, "Apply all", right, y, view.open > 0)) apply_suggestions(f);
  std::string note = view.note;
  if (by < 0) note = "by " + f.ui.tune.measure + ": " + note;
  draw_text(t, t.font.small, x + t.px(4), y, t.color.text2, note, Align::left, right - x - t.px(8));
  const Rect room = {body.x, body.y + t.px(kTuneRow), body.w, body.h - t.px(kTuneRow) - t.px(6)};
  const int layers = static_cast<int>(view.layers.size());
  const TuneRows rows = rows_that_fit(room.h, layers, f.ui.selected.layer, t.px(18), t.px(26));
  for (int i = rows.first; i < rows.last; ++i)
    draw_line(f, view.layers[static_cast<std::size_t>(i)],
              {room.x, room.y + static_cast<float>(i - rows.first) * rows.h, room.w, rows.h});
}

}  // namespace polykv
