// Recall against KV bytes kept: runs, controls, the full cache and the front they leave.
#include <algorithm>
#include <cmath>

#include "views/pareto_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {

namespace {

float radius_of(const Theme& t, ParetoKind kind) {
  const float radius = kind == ParetoKind::current ? 6.5f : kind == ParetoKind::found ? 2.2f : 3.6f;
  return radius * t.scale;
}

std::string kib_text(double kib) {
  return kib < 10 && kib != std::floor(kib) ? format_number(kib, 1)
                                            : format_count(std::llround(kib));
}

void draw_axes(const Theme& t, const ParetoModel& model, Rect plot, bool dense) {
  const Palette& c = t.color;
  for (int percent = 0; percent <= 100; percent += dense ? 50 : 25) {
    const float y = std::round(plot.y + plot.h * (1 - percent / 100.0f));
    fill_rect({plot.x, y, plot.w, t.px(1)}, c.line);
    draw_text(t, t.font.small, plot.x - t.px(8), y, c.text3, std::to_string(percent) + "%",
              Align::right);
  }
  // The most important numbers first; a number that would touch one already there is left out.
  std::vector<Rect> taken;
  const float bottom = plot.y + plot.h;
  for (double kib : model.ticks) {
    const float x = plot.x + static_cast<float>(pareto_x(model, kib)) * plot.w;
    const std::string text = kib_text(kib);
    const float w = text_width(t.font.small, text) + t.px(10);
    const Rect box{x - w / 2, bottom, w, 1};
    bool free = true;
    for (const Rect& other : taken)
      free = free && (box.x >= other.x + other.w || other.x >= box.x + box.w);
    if (!free) continue;
    taken.push_back(box);
    fill_rect({x, bottom, t.px(1), t.px(4)}, c.edge);
    draw_text(t, t.font.small, x, bottom + t.px(13), c.text3, text, Align::centre);
  }
  draw_text(t, t.font.small, plot.x + plot.w / 2, bottom + t.px(29), c.text3, "KiB kept, log",
            Align::centre);
}

void draw_front(const Theme& t, const ParetoModel& model, const std::vector<MarkPlace>& marks) {
  ImDrawList* list = ImGui::GetWindowDrawList();
  for (std::size_t i = 1; i < model.front.size(); ++i) {
    const MarkPlace &a = marks[model.front[i - 1]], &b = marks[model.front[i]];
    const ImVec2 steps[] = {ImVec2(a.x, a.y), ImVec2(b.x, a.y), ImVec2(b.x, b.y)};
    list->AddPolyline(steps, 3, t.color.text3, 0, 1.4f * t.scale);
  }
}

void draw_mark(const Theme& t, const ParetoPoint& point, const MarkPlace& place, bool stale,
               bool hovered) {
  const Palette& c = t.color;
  draw_disc(place.x, place.y, place.radius + 2 * t.scale, c.panel);
  if (point.kind == ParetoKind::current && !stale)
    draw_disc(place.x, place.y, place.radius, c.accent);
  else if (point.kind == ParetoKind::current)
    draw_ring(place.x, place.y, place.radius - 0.7f * t.scale, c.text3, 1.6f * t.scale);
  else
    draw_ring(place.x, place.y, place.radius, hovered ? c.text : c.text2, 1.4f * t.scale);
  if (hovered) draw_ring(place.x, place.y, place.radius + 3 * t.scale, c.accent, 1.4f * t.scale);
}

// What deserves a label, the most important first; runs only where they are on the front.
std::vector<LabelWish> wishes_of(const Theme& t, const ParetoModel& model, bool names) {
  std::vector<LabelWish> wishes;
  std::vector<std::string> said;
  const auto wish = [&](std::size_t i) {
    const std::string& plan = model.points[i].plan;
    if (std::find(said.begin(), said.end(), plan) != said.end()) return;
    said.push_back(plan);
    wishes.push_back({static_cast<int>(i), std::min(text_width(t.font.small, plan), t.px(120))});
  };
  for (ParetoKind kind : {ParetoKind::current, ParetoKind::full, ParetoKind::control})
    for (std::size_t i = 0; i < model.points.size(); ++i)
      if (model.points[i].kind == kind && (names || kind != ParetoKind::control)) wish(i);
  if (names)
    for (int i : model.front)
      if (model.points[i].kind == ParetoKind::run) wish(static_cast<std::size_t>(i));
  return wishes;
}

}  // namespace

void draw_pareto(Frame& f, Rect area) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const ParetoModel model = condense_pareto(f.now, f.ui);
  f.ui.places["panel.pareto"] = area;
  const Rect body = draw_panel(t, area, "Pareto", model.stamp);
  if (!model.empty.empty()) {
    draw_empty(t, body, model.empty, "");
    return;
  }
  const float left = t.px(44);
  const Rect plot{body.x + left, area.y + t.px(46), body.w - left - t.px(8),
                  area.h - t.px(46) - t.px(40)};
  if (plot.h < t.px(30) || plot.w < t.px(60)) return;
  const bool small = plot.h < t.px(120);
  draw_axes(t, model, plot, small);

  std::vector<MarkPlace> marks;
  for (const ParetoPoint& point : model.points)
    marks.push_back(
        {plot.x + static_cast<float>(std::clamp(pareto_x(model, point.kib), 0.0, 1.0)) * plot.w,
         plot.y + static_cast<float>(1 - std::clamp(point.recall, 0.0, 1.0)) * plot.h,
         radius_of(t, point.kind)});
  for (std::size_t i = 0; i < model.points.size(); ++i)
    if (model.points[i].kind == ParetoKind::full)
      draw_dashed_line(plot.x, std::round(marks[i].y) + 0.5f, plot.x + plot.w,
                       std::round(marks[i].y) + 0.5f, c.text2, t.px(3), t.px(3));
  draw_front(t, model, marks);

  int hovered = -1;  // the nearest mark within 10 pixels
  const ImVec2 pointer = ImGui::GetIO().MousePos;
  if (ImGui::IsWindowHovered() && area.contains(pointer.x, pointer.y)) {
    float nearest = t.px(10);
    for (std::size_t i = 0; i < marks.size(); ++i) {
      const float d = std::hypot(pointer.x - marks[i].x, pointer.y - marks[i].y);
      if (d < nearest) nearest = d, hovered = static_cast<int>(i);
    }
  }
  for (std::size_t i = 0; i < marks.size(); ++i) {
    draw_mark(t, model.points[i], marks[i], model.stale, static_cast<int>(i) == hovered);
    const ParetoKind kind = model.points[i].kind;
    const Rect box{marks[i].x - marks[i].radius, marks[i].y - marks[i].radius, 2 * marks[i].radius,
                   2 * marks[i].radius};
    if (kind == ParetoKind::current) f.ui.places["pareto.current"] = box;
    if (kind == ParetoKind::full) f.ui.places["pareto.full"] = box;
  }

  const std::vector<LabelWish> wishes = wishes_of(t, model, !small);
  const Rect room{plot.x, area.y + t.px(24), body.x + body.w - plot.x,
                  plot.y + plot.h - area.y - t.px(24)};
  // Labels keep off the front and off the line of the full cache.
  std::vector<Rect> blocked;
  for (std::size_t i = 1; i < model.front.size(); ++i) {
    const MarkPlace &a = marks[model.front[i - 1]], &b = marks[model.front[i]];
    blocked.push_back({a.x, a.y - 1, b.x - a.x, 2});
    blocked.push_back({b.x - 1, std::min(a.y, b.y), 2, std::fabs(b.y - a.y)});
  }
  for (std::size_t i = 0; i < marks.size(); ++i)
    if (model.points[i].kind == ParetoKind::full)
      blocked.push_back({plot.x, marks[i].y - 1, plot.w, 2});
  const std::vector<Rect> labels = place_labels(marks, wishes, t.px(13), t.px(4), room, blocked);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].w <= 0) continue;
    const ParetoPoint& point = model.points[wishes[i].mark];
    const bool current = point.kind == ParetoKind::current && !model.stale;
    fill_rect({labels[i].x - 1, labels[i].y, labels[i].w + 2, labels[i].h}, c.panel);  // no grid
    draw_text(t, current ? t.font.small_medium : t.font.small, labels[i].x,
              labels[i].y + labels[i].h / 2, current ? c.accent : c.text2, point.plan, Align::left,
              labels[i].w + 1);
  }
  if (hovered >= 0) {
    const ParetoPoint& p = model.points[hovered];
    std::vector<std::string> tip{p.plan,
                                 "recall " + format_count(std::llround(p.recall * p.n)) + "/" +
                                     format_count(p.n) + ", 95% interval " +
                                     format_number(p.low, 2) + " to " + format_number(p.high, 2),
                                 kib_text(p.kib) + " KiB kept"};
    if (p.kind == ParetoKind::found) tip.push_back("found by the search, on its half of the cases");
    if (p.kind == ParetoKind::control) tip.push_back("control at the same total");
    if (p.kind == ParetoKind::current && model.stale) tip.push_back("not of the plan in hand");
    draw_tooltip(t, tip);
  }
}

}  // namespace polykv
