// The audit: where the plan's score stands among random placements of its own policies.
#include <algorithm>
#include <cmath>

#include "views/tune_parts.h"
#include "views/views.h"

namespace polykv {
namespace {

constexpr int kLabelRows = 3;

ImU32 color_of(const Theme& t, AxisMark::Kind kind) {
  if (kind == AxisMark::Kind::plan) return t.color.accent;
  return kind == AxisMark::Kind::single ? t.color.run_b : t.color.text2;
}

void draw_controls(Frame& f, const AuditView& view, Rect row) {
  TuneUi& ui = f.ui.tune;
  const float y = row.y + row.h / 2;
  float x = row.x, right = row.x + row.w;
  ui.by_recall = draw_tune_segments(f, "tune audit by", x, y, {"by NLL", "by recall"},
                                    ui.by_recall ? 1 : 0) == 1;
  const bool can = view.missing.empty() && !tuning(f.now);
  if (draw_tune_button(f, "Audit this plan", right, y, can)) start_audit(f);
  std::vector<MenuItem> items;
  const int counts[] = {20, 100, 500, 1000};
  for (const int count : counts) {
    MenuItem item;
    item.label = format_count(count) + " placements";
    item.checked = count == ui.placements;
    items.push_back(std::move(item));
  }
  const int picked = draw_tune_choice(f, "placements", format_count(ui.placements) + " placements",
                                      right, y, items);
  if (picked >= 0) ui.placements = counts[picked];
  const Theme& t = f.theme;
  const float room = right - x - t.px(8);
  if (room < t.px(40) || !view.there) return;
  const std::string warning = view.warning.empty() ? "" : " \u00b7 " + view.warning;
  const float w = draw_text(t, t.font.small, x, y, t.color.text2, view.stamp, Align::left, room);
  if (room - w > t.px(24))
    draw_text(t, t.font.small, x + w, y, t.color.warn, warning, Align::left, room - w);
}

// Where the names of the marks stand above the bars, in up to three rows; w = 0: no room.
std::vector<Rect> place_names(const Theme& t, const AuditView& view, Rect plot, float top) {
  std::vector<Rect> names;
  const float row = t.px(14);
  for (const AxisMark& mark : view.marks) {
    ImFont* font = mark.kind == AxisMark::Kind::plan ? t.font.small_medium : t.font.small;
    const float w = text_width(font, mark.name + " " + mark.text);
    const float edge = mark.off == 0 ? 0 : t.px(12);  // of the triangle
    const float x = plot.x + mark.at * plot.w, most = plot.x + plot.w - w - edge;
    Rect box = {std::max(plot.x + edge, std::min(x - w / 2, most)), top, w, row};
    int r = 0;
    for (; r < kLabelRows; ++r, box.y += row) {
      const bool free = std::none_of(names.begin(), names.end(), [&](const Rect& other) {
        return other.y == box.y && box.x < other.x + other.w + t.px(8) &&
               other.x < box.x + box.w + t.px(8);
      });
      if (free) break;
    }
    if (r == kLabelRows) box = {box.x, top, 0, row};
    names.push_back(box);
  }
  return names;
}

// Lines first, then the names on plates that keep the lines off them.
void draw_marks(const Theme& t, const AuditView& view, Rect plot, float top) {
  const std::vector<Rect> names = place_names(t, view, plot, top);
  const float foot = plot.y + plot.h;
  for (std::size_t i = names.size(); i-- > 0;) {  // the plan's own line on top
    const AxisMark& mark = view.marks[i];
    const float x = std::round(plot.x + mark.at * plot.w), from = names[i].y + names[i].h;
    const ImU32 color = color_of(t, mark.kind);
    if (mark.off != 0) continue;
    if (mark.kind == AxisMark::Kind::plan) {
      fill_rect({x - t.px(1), from, t.px(2), foot - from}, color);
      draw_off_mark(t, x, foot + t.px(5), 0, -1, color);
    } else {
      draw_dashed_line(x + 0.5f, from, x + 0.5f, foot, color, t.px(3), t.px(3));
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const AxisMark& mark = view.marks[i];
    const Rect& box = names[i];
    if (box.w <= 0) continue;
    const ImU32 color = color_of(t, mark.kind);
    const bool own = mark.kind == AxisMark::Kind::plan;
    fill_rect({box.x - t.px(2), box.y, box.w + t.px(4), box.h}, t.color.panel);
    draw_text(t, own ? t.font.small_medium : t.font.small, box.x, box.y + box.h / 2, color,
              mark.name + " " + mark.text);
    if (mark.off != 0)
      draw_off_mark(t, mark.off > 0 ? box.x + box.w + t.px(8) : box.x - t.px(8), box.y + box.h / 2,
                    mark.off, 0, color);
  }
}

void draw_histogram(Frame& f, const AuditView& view, Rect area) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float numbers = t.px(28), labels = t.px(14) * kLabelRows + t.px(4);
  const Rect plot = {area.x + numbers, area.y + labels, area.w - numbers,
                     area.h - labels - t.px(24)};
  if (plot.w < t.px(80) || plot.h < t.px(24)) return;
  f.ui.places["tune.histogram"] = plot;
  const float foot = plot.y + plot.h;
  fill_rect({plot.x, foot, plot.w, t.px(1)}, c.edge);
  draw_text(t, t.font.small, plot.x - t.px(6), plot.y + t.px(4), c.text3, format_count(view.most),
            Align::right);
  draw_text(t, t.font.small, plot.x - t.px(6), foot - t.px(4), c.text3, "0", Align::right);
  const int count = static_cast<int>(view.bins.size());
  const float left = plot.x + view.bins_low * plot.w;
  const float wide = (view.bins_high - view.bins_low) * plot.w;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  int hovered = -1;
  for (int i = 0; i < count; ++i) {
    const float x0 = std::round(left + wide * static_cast<float>(i) / static_cast<float>(count));
    const float x1 =
        std::round(left + wide * static_cast<float>(i + 1) / static_cast<float>(count));
    const float share = static_cast<float>(view.bins[static_cast<std::size_t>(i)]) /
                        static_cast<float>(std::max(1, view.most));
    const float h = std::round(share * plot.h);
    fill_rect({x0, foot - h, std::max(1.0f, x1 - x0 - 1), h}, c.budget_fill, t.px(1));
    const Rect slot = {x0, plot.y, x1 - x0, plot.h};
    if (ImGui::IsWindowHovered() && slot.contains(mouse.x, mouse.y)) hovered = i;
  }
  draw_marks(t, view, plot, area.y);
  draw_text(t, t.font.small, plot.x, foot + t.px(14), c.text3, view.low);
  draw_text(t, t.font.small, plot.x + plot.w, foot + t.px(14), c.text3, view.high, Align::right);
  draw_text(t, t.font.small, plot.x + plot.w / 2, foot + t.px(14), c.text3, view.axis,
            Align::centre);
  if (hovered >= 0)
    draw_tooltip(t, {format_count(view.bins[static_cast<std::size_t>(hovered)]) + " placements",
                     "the same policies in other layers"});
}

}  // namespace

void draw_audit(Frame& f, const AuditView& view, Rect body) {
  const Theme& t = f.theme;
  draw_controls(f, view, {body.x, body.y, body.w, t.px(kTuneRow) - t.px(4)});
  const Rect room = {body.x, body.y + t.px(kTuneRow), body.w, body.h - t.px(kTuneRow) - t.px(6)};
  if (!view.there || view.marks.empty()) {
    const bool idle = !tuning(f.now), offers = idle && view.missing.empty();
    std::string words = view.missing;
    if (words.empty())
      words =
          "An audit places the plan's policies anew at random: is it this policy in this layer?";
    if (!idle && f.ui.tune.job == TunePart::audit) words = "The controls are being scored.";
    if (draw_empty(t, room, words, offers ? "Audit this plan" : "")) start_audit(f);
    return;
  }
  const float side = std::min(t.px(230), room.w * 0.32f), gap = t.px(20);
  draw_histogram(f, view, {room.x, room.y, room.w - side - gap, room.h});
  const float x = room.x + room.w - side;
  f.ui.places["tune.rank"] = {x, room.y, side, room.h};
  draw_text(t, t.font.value, x, room.y + t.px(14), t.color.text, view.headline, Align::left, side);
  float y = room.y + t.px(34);
  y += draw_wrapped(t, t.font.body, x, y, side, t.color.text2, view.words) + t.px(8);
  if (view.running)
    draw_wrapped(t, t.font.small, x, y, side, t.color.text3,
                 "The rank may change until all placements are scored.");
}

}  // namespace polykv
