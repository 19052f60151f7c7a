// The score rows: value, unit and ceiling, and the interval on a plot where better is right.
#include <algorithm>
#include <cmath>

#include "views/scores_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {

namespace {

struct RowStyle {
  bool tall = true;  // 40 high with a second line, else 27
  float height = 0, plot_width = 0, ceiling_gap = 0;
};

bool pointer_in(Rect area) {
  const ImVec2 at = ImGui::GetIO().MousePos;
  return ImGui::IsWindowHovered() && area.contains(at.x, at.y);
}

// A pill that holds one quiet word; returns its rectangle.
Rect draw_word_pill(const Theme& t, float x, float y, const std::string& word, bool shape,
                    float max_width) {
  const float h = t.px(20), inset = t.px(8), mark = shape ? t.px(16) : 0;
  const float room = max_width - 2 * inset - mark;
  const float w = std::round(std::min(text_width(t.font.small, word), room) + 2 * inset + mark);
  const Rect box{std::round(x), std::round(y - h / 2), w, h};
  fill_rect(box, t.color.pill_text3, h / 2);
  draw_frame_rect(box, t.color.text3, t.px(1), h / 2);
  if (shape) draw_pill_shape(t, box.x + inset + t.px(5), y, t.px(5), Pill::stale, t.color.text3);
  draw_text(t, t.font.small, box.x + inset + mark, y, t.color.text3, word, Align::left, room);
  return box;
}

void draw_chevron(const Theme& t, float x, float y, bool left, ImU32 color) {
  const float d = t.px(3), s = left ? d : -d;
  const ImVec2 points[] = {ImVec2(x + s, y - d), ImVec2(x, y), ImVec2(x + s, y + d)};
  ImGui::GetWindowDrawList()->AddPolyline(points, 3, color, 0, 1.4f * t.scale);
}

void draw_interval(Frame& f, const ScoreLine& line, Rect plot, const RowStyle& style, bool stale) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float y = std::round(plot.y + plot.h / 2), gap = style.ceiling_gap;
  const auto at = [&](double value) { return plot.x + plot_x(line.scale, value, plot.w, gap); };
  fill_rect({plot.x, y, plot.w, t.px(1)}, c.line);
  fill_rect({plot.x + plot.w - gap - t.px(1), y - t.px(9), t.px(2), t.px(18)}, c.text2);
  for (const ControlMark& control : line.controls) {
    const float x = at(control.value), r = t.px(3), below = y + t.px(5);
    draw_disc(x, below, r + t.px(1), c.panel);
    draw_ring(x, below, r, c.text3, 1.3f * t.scale);
  }
  if (!line.measured) return;
  const ImU32 ink = stale ? c.text3 : c.accent;
  const float above = y - t.px(4), x = at(line.shown.value);
  if (std::isfinite(line.shown.low) && std::isfinite(line.shown.high)) {
    float left = at(line.shown.low), right = at(line.shown.high);
    if (left > right) std::swap(left, right);
    fill_rect({left, above - t.px(1), std::max(right - left, t.px(1)), t.px(2)}, ink);
    for (double end : {line.shown.low, line.shown.high}) {
      const float edge = at(end);
      if (off_plot(line.scale, end, plot.w, gap))
        draw_chevron(t, edge, above, edge < plot.x + plot.w / 2, ink);
      else if (std::fabs(edge - x) > t.px(5))  // else the disc covers it
        fill_rect({edge - t.px(1), above - t.px(3), t.px(2), t.px(6)}, ink);
    }
  }
  draw_disc(x, above, t.px(5), c.panel);
  if (stale)
    draw_ring(x, above, t.px(4) - 0.5f, ink, 1.5f * t.scale);
  else
    draw_disc(x, above, t.px(4), ink);
}

void draw_line(Frame& f, const ScoreLine& line, Rect row, const RowStyle& style, bool stale) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const bool quiet = stale || line.cannot_tell;
  const Rect plot{row.x + row.w - style.plot_width, row.y, style.plot_width, row.h};
  const float value_right = plot.x - t.px(16);
  const float y = row.y + (style.tall ? t.px(13) : row.h / 2);
  const float value_width = text_width(t.font.strong, line.value);
  draw_text(t, t.font.strong, value_right, y, quiet ? c.text3 : c.text, line.value, Align::right);
  draw_text(t, t.font.body, row.x, y, quiet ? c.text3 : c.text,
            style.tall ? line.name : line.short_name, Align::left,
            value_right - value_width - t.px(8) - row.x);
  if (style.tall)
    draw_text(t, t.font.small, row.x, row.y + t.px(30), c.text3, line.under, Align::left,
              plot.x - t.px(10) - row.x);
  if (line.cannot_tell) {
    const float w = std::min(plot.w, text_width(t.font.small, "cannot tell") + t.px(16));
    draw_word_pill(t, row.x + row.w - w, row.y + row.h / 2, "cannot tell", false, w);
  } else {
    draw_interval(f, line, plot, style, stale);
  }
  fill_rect({row.x, row.y + row.h - t.px(1), row.w, t.px(1)}, c.line);
  f.ui.places["score." + line.id] = row;
  if (!pointer_in(row)) return;
  std::vector<std::string> tip{line.name + " " + line.value};
  if (style.tall == false && !line.under.empty()) tip.push_back(line.under);
  tip.insert(tip.end(), line.notes.begin(), line.notes.end());
  for (const ControlMark& control : line.controls)
    tip.push_back(control.plan + " " + control.text + ", a control at the same total");
  draw_tooltip(t, tip);
}

void draw_header(const Theme& t, const ScoresModel& model, Rect row, const RowStyle& style) {
  const float y = row.y + t.px(9), right = row.x + row.w, plot = right - style.plot_width;
  draw_text(t, t.font.small, plot, y, t.color.text3, "worse");
  // "full" ends where the plot ends and stands above its tick.
  draw_text(t, t.font.small, right, y, t.color.text2, "full", Align::right);
  if (model.control_note.empty()) return;
  draw_ring(row.x + t.px(4), y, t.px(3), t.color.text3, 1.3f * t.scale);
  draw_text(t, t.font.small, row.x + t.px(13), y, t.color.text3, model.control_note, Align::left,
            plot - t.px(10) - row.x - t.px(13));
}

}  // namespace

void draw_scores(Frame& f, Rect area) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const ScoresModel model = condense_scores(f.now, f.ui);
  f.ui.places["panel.scores"] = area;
  const float title = text_width(t.font.strong, "Scores") + t.px(22);
  const float room = area.w - title - t.px(12);
  std::string stamp;
  if (model.stale.empty())
    for (const std::string& wording : model.stamps) {
      stamp = wording;
      if (text_width(t.font.small, wording) <= room) break;
    }
  const Rect body = draw_panel(t, area, "Scores", stamp, model.busy);
  if (!model.empty.empty()) {
    draw_empty(t, body, model.empty, "");
    return;
  }
  const bool stale = !model.stale.empty();
  if (stale) {
    const bool fits = text_width(t.font.small, model.stale) + t.px(32) <= room;
    draw_word_pill(t, area.x + title, area.y + t.px(15), fits ? model.stale : model.stale_short,
                   true, room);
  }
  const Rect head{area.x, area.y, area.w, t.px(30)};
  f.ui.places["scores.stamp"] = head;
  if (pointer_in(head) && !model.stamps.empty())
    draw_tooltip(t, stale ? std::vector<std::string>{model.stale, model.stamps.front()}
                          : std::vector<std::string>{model.stamps.front()});

  RowStyle style;
  const float header = t.px(body.h > t.px(312) ? 22 : 18), bytes = t.px(40), rescore = t.px(24);
  const int count = static_cast<int>(model.lines.size());
  style.tall = body.h >= header + count * t.px(40) + bytes + rescore;
  style.height = t.px(style.tall ? 40 : 27);
  style.plot_width = std::min(t.px(112), body.w - t.px(148));
  style.ceiling_gap = t.px(10);
  draw_header(t, model, {body.x, body.y, body.w, header}, style);

  Rect row{body.x, body.y + header, body.w, style.height};
  for (const ScoreLine& line : model.lines) {
    if (row.y + row.h > area.y + area.h) return;
    draw_line(f, line, row, style, stale);
    row.y += row.h;
  }

  const ImU32 ink = stale ? c.text3 : c.text;
  const float right = body.x + body.w;
  row.h = style.tall ? bytes : t.px(32);
  if (row.y + row.h > area.y + area.h) return;
  float y = row.y + t.px(style.tall ? 14 : 12);
  const float name = draw_text(t, t.font.body, body.x, y, ink, "KV bytes");
  if (!model.bytes_as_planned)
    draw_cross(body.x + name + t.px(12), y, t.px(5), c.error);
  else
    draw_tick(body.x + name + t.px(12), y, t.px(5), stale ? c.text3 : c.ok);
  draw_text(t, t.font.body, right, y, ink, model.bytes, Align::right);
  const Rect track{body.x, row.y + row.h - t.px(style.tall ? 13 : 10), body.w, t.px(6)};
  fill_rect(track, c.raised, t.px(3));
  if (t.kind == ThemeKind::contrast) draw_frame_rect(track, c.edge, t.px(1), t.px(3));
  const float filled = static_cast<float>(model.bytes_share) * track.w;
  fill_rect({track.x, track.y, std::max(filled, t.px(6)), track.h}, stale ? c.text3 : c.accent,
            t.px(3));
  f.ui.places["score.kv_bytes"] = row;
  if (pointer_in(row))
    draw_tooltip(t, {"KV bytes " + model.bytes,
                     "mean over the cases, " + format_percent(model.bytes_share) + " of full",
                     model.bytes_tip});

  row.y += row.h;
  row.h = rescore;
  if (row.y + row.h > area.y + area.h) return;
  y = row.y + row.h / 2;
  draw_text(t, t.font.body, body.x, y, ink, "rescore time");
  draw_text(t, t.font.body, right, y, ink, model.rescore, Align::right);
  f.ui.places["score.rescore_ms"] = row;
}

}  // namespace polykv
