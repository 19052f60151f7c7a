// The search: its score against the plans tried, as it grows, then the report of the other half.
#include <algorithm>
#include <cmath>

#include "core/tune/search.h"
#include "views/tune_parts.h"
#include "views/views.h"

namespace polykv {
namespace {

struct Limit {
  const char* label;
  int evaluations;
  double seconds;
};
constexpr Limit kLimits[] = {
    {"50 plans", 50, 0}, {"200 plans", 200, 0}, {"1,000 plans", 1000, 0}, {"5,000 plans", 5000, 0},
    {"15 s", 0, 15},     {"1 min", 0, 60},      {"5 min", 0, 300},        {"30 min", 0, 1800}};

void choose_limit(Frame& f, float& right, float y) {
  TuneUi& ui = f.ui.tune;
  std::vector<MenuItem> items;
  std::string label;
  for (const Limit& limit : kLimits) {
    MenuItem item;
    item.label = limit.label;
    item.checked = limit.evaluations == ui.evaluations && limit.seconds == ui.seconds;
    if (item.checked) label = item.label;
    items.push_back(std::move(item));
  }
  const int picked = draw_tune_choice(f, "limit", label, right, y, items);
  if (picked < 0) return;
  ui.evaluations = kLimits[picked].evaluations;
  ui.seconds = kLimits[picked].seconds;
}

// Objective, swaps; limit, Search. Once there is a report: Steps or Report.
void draw_controls(Frame& f, const SearchView& view, Rect row) {
  const Theme& t = f.theme;
  TuneUi& ui = f.ui.tune;
  const float y = row.y + row.h / 2;
  float x = row.x, right = row.x + row.w;
  std::vector<std::string> words;
  int current = 0;
  for (const Objective& objective : objectives()) {
    if (ui.objective == objective.id) current = static_cast<int>(words.size());
    words.push_back(objective.id == std::string("nll")  ? "NLL"
                    : objective.id == std::string("kl") ? "KL"
                                                        : objective.id);
  }
  const int picked = draw_tune_segments(f, "tune objective", x, y, words, current);
  ui.objective = objectives()[static_cast<std::size_t>(picked)].id;
  draw_toggle(t, "tune swaps", x, y, "Swap policies", ui.swaps);
  f.ui.places["tune.swaps"] = {x, y - t.px(11), t.px(24), t.px(22)};
  x += toggle_width(t, "Swap policies") + t.px(14);
  const bool busy = tuning(f.now);
  if (view.there && draw_tune_button(f, "Apply best", right, y, view.can_apply)) apply_best(f);
  if (draw_tune_button(f, "Start search", right, y, view.missing.empty() && !busy)) start_search(f);
  choose_limit(f, right, y);
  if (view.report.empty()) return;
  x = std::max(x, right - segments_width(t, {"Steps", "Report"}) - t.px(10));
  ui.list_steps =
      draw_tune_segments(f, "tune list", x, y, {"Steps", "Report"}, ui.list_steps ? 0 : 1) == 0;
}

// Labels right of the plot keep a line's distance; the marks in order of their height.
void draw_marks(const Theme& t, const SearchView& view, Rect plot, float label_w) {
  const Palette& c = t.color;
  std::vector<const AxisMark*> order;
  for (const AxisMark& mark : view.marks) order.push_back(&mark);
  std::stable_sort(order.begin(), order.end(),
                   [](const AxisMark* a, const AxisMark* b) { return a->value > b->value; });
  const float step = t.px(14), foot = plot.y + plot.h;
  float label = plot.y - t.px(2);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const AxisMark& mark = *order[i];
    const float y = std::round(foot - mark.at * plot.h);
    const ImU32 color = mark.kind == AxisMark::Kind::start ? c.run_b : c.text2;
    if (mark.off == 0)
      draw_dashed_line(plot.x, y + 0.5f, plot.x + plot.w, y + 0.5f, color, t.px(3), t.px(3));
    const float below = static_cast<float>(order.size() - 1 - i) * step;
    label = std::min(std::max(label, y), foot - below);
    const float x = plot.x + plot.w + t.px(6);
    if (mark.off != 0) draw_off_mark(t, x + t.px(3), label, 0, mark.off > 0 ? -1 : 1, c.text3);
    draw_text(t, t.font.small, x + t.px(10), label, color, mark.name + " " + mark.text, Align::left,
              label_w - t.px(16));
    label += step;
  }
}

void draw_plot(Frame& f, const SearchView& view, Rect area) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float numbers = t.px(52), label_w = t.px(128);
  const Rect plot = {area.x + numbers, area.y + t.px(22), area.w - numbers - label_w,
                     area.h - t.px(22) - t.px(20)};
  if (plot.w < t.px(60) || plot.h < t.px(30)) return;
  f.ui.places["tune.search_plot"] = plot;
  const float foot = plot.y + plot.h;
  draw_text(t, t.font.small, area.x, area.y + t.px(6), c.text2, view.axis, Align::left, area.w);
  for (const float y : {plot.y, foot}) fill_rect({plot.x, y, plot.w, t.px(1)}, c.line);
  draw_text(t, t.font.small, plot.x - t.px(6), plot.y + t.px(2), c.text3, view.high, Align::right);
  draw_text(t, t.font.small, plot.x - t.px(6), foot - t.px(2), c.text3, view.low, Align::right);
  draw_marks(t, view, plot, label_w);
  const auto x_of = [&](int evaluation) {
    const int last = std::max(2, view.evaluations);
    return plot.x + plot.w * static_cast<float>(evaluation - 1) / static_cast<float>(last - 1);
  };
  draw_text(t, t.font.small, plot.x, foot + t.px(11), c.text3, "1");
  draw_text(t, t.font.small, plot.x + plot.w, foot + t.px(11), c.text3,
            format_count(view.evaluations), Align::right);
  draw_text(t, t.font.small, plot.x + plot.w / 2, foot + t.px(11), c.text3, "plans tried",
            Align::centre);
  // The best so far as steps; every accepted one a mark.
  std::vector<ImVec2> line;
  for (const SearchStepLine& step : view.steps) {
    const ImVec2 p(x_of(step.evaluation), foot - step.at * plot.h);
    if (!line.empty()) line.emplace_back(p.x, line.back().y);
    line.push_back(p);
  }
  if (line.empty()) return;
  line.emplace_back(plot.x + plot.w, line.back().y);
  ImGui::GetWindowDrawList()->AddPolyline(line.data(), static_cast<int>(line.size()), c.accent, 0,
                                          1.6f * t.scale);
  int hovered = -1;
  float nearest = t.px(10);
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  for (int i = 0; i < static_cast<int>(view.steps.size()); ++i) {
    const SearchStepLine& step = view.steps[static_cast<std::size_t>(i)];
    const ImVec2 p(x_of(step.evaluation), foot - step.at * plot.h);
    const bool last = i + 1 == static_cast<int>(view.steps.size());
    draw_disc(p.x, p.y, t.px(last ? 6 : 4), c.panel);
    if (last) {
      draw_disc(p.x, p.y, t.px(5), c.accent);
    } else {
      draw_ring(p.x, p.y, t.px(2.6f), c.accent, 1.4f * t.scale);
    }
    const float d = std::hypot(mouse.x - p.x, mouse.y - p.y);
    if (ImGui::IsWindowHovered() && d < nearest) nearest = d, hovered = i;
  }
  if (hovered < 0) return;
  const SearchStepLine& step = view.steps[static_cast<std::size_t>(hovered)];
  draw_tooltip(t, {step.value, step.edit, "plan " + format_count(step.evaluation)});
}

// Newest last; what does not fit is counted.
void draw_steps(Frame& f, const SearchView& view, Rect area) {
  const Theme& t = f.theme;
  const float row = t.px(18);
  const int fit = std::max(1, static_cast<int>(area.h / row) - 1);
  const int count = static_cast<int>(view.steps.size());
  const int first = std::max(0, count - fit);
  float y = area.y + row / 2;
  const std::string head = format_count(count - 1) +
                           (count == 2 ? " step accepted" : " steps accepted") +
                           (first > 0 ? ", the last " + format_count(fit) : "");
  draw_text(t, t.font.small, area.x, y, t.color.text2, head, Align::left, area.w - t.px(60));
  draw_text(t, t.font.small, area.x + area.w, y, t.color.text3, "plan", Align::right);
  for (int i = first; i < count; ++i) {
    const SearchStepLine& step = view.steps[static_cast<std::size_t>(i)];
    y += row;
    const bool last = i + 1 == count;
    draw_text(t, last ? t.font.small_medium : t.font.small, area.x, y, t.color.text, step.value);
    draw_text(t, t.font.small, area.x + t.px(62), y, last ? t.color.text : t.color.text2, step.edit,
              Align::left, area.w - t.px(62) - t.px(44));
    draw_text(t, t.font.small, area.x + area.w, y, t.color.text3, format_count(step.evaluation),
              Align::right);
  }
}

void draw_report(Frame& f, const SearchView& view, Rect area) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  f.ui.places["tune.report"] = area;
  const float room = area.h - t.px(24);
  const float row =
      std::clamp(std::floor(room / static_cast<float>(view.report.size() + 1)), t.px(15), t.px(22));
  const float gap = area.x + area.w, nll = gap - t.px(132), recall = nll - t.px(132);
  float y = area.y + row / 2;
  draw_text(t, t.font.small, area.x, y, c.text3, view.report_stamp, Align::left,
            recall - t.px(120) - area.x);
  draw_text(t, t.font.small, recall, y, c.text3, "recall", Align::right);
  draw_text(t, t.font.small, nll, y, c.text3, "answer NLL", Align::right);
  draw_text(t, t.font.small, gap, y, c.text3, "gap recovered", Align::right);
  for (const ReportLine& line : view.report) {
    y += row;
    ImFont* font = line.strong ? t.font.small_medium : t.font.small;
    const ImU32 ink = line.strong ? c.text : c.text2;
    fill_rect({area.x, std::round(y - row / 2), area.w, t.px(1)}, c.line);
    draw_text(t, font, area.x, y, ink, line.name, Align::left, recall - t.px(120) - area.x);
    draw_text(t, font, recall, y, ink, line.recall, Align::right);
    draw_text(t, font, nll, y, ink, line.nll, Align::right);
    draw_text(t, font, gap, y, ink, line.gap, Align::right);
  }
  const std::string note =
      view.report_note + (view.warning.empty() ? "" : " \u00b7 " + view.warning);
  y += row / 2 + t.px(10);
  draw_text(t, t.font.small, gap, y, view.warning.empty() ? c.text3 : c.warn, note, Align::right,
            area.w);
}

}  // namespace

void draw_search(Frame& f, const SearchView& view, Rect body) {
  const Theme& t = f.theme;
  draw_controls(f, view, {body.x, body.y, body.w, t.px(kTuneRow) - t.px(4)});
  const Rect room = {body.x, body.y + t.px(kTuneRow), body.w, body.h - t.px(kTuneRow) - t.px(6)};
  if (!view.there || view.steps.empty()) {
    const bool idle = !tuning(f.now), offers = idle && view.missing.empty();
    std::string words = view.missing;
    if (words.empty())
      words =
          "A search changes the plan in hand step by step on one half of the cases and reports "
          "on the other.";
    if (!idle && f.ui.tune.job == TunePart::search) words = "The search half is being prepared.";
    if (draw_empty(t, room, words, offers ? "Search from here" : "")) start_search(f);
    return;
  }
  const bool report = !view.report.empty() && !f.ui.tune.list_steps;
  // The report's four columns take all of a narrow panel; Steps shows the plot there.
  const bool narrow = room.w < t.px(900);
  const float side = report ? (narrow ? std::min(room.w, t.px(640)) : t.px(560))
                            : std::min(t.px(340), room.w * 0.45f);
  if (!report || !narrow) draw_plot(f, view, {room.x, room.y, room.w - side - t.px(16), room.h});
  const float left = report && narrow ? room.x : room.x + room.w - side;
  const Rect list = {left, room.y, side, room.h};
  float x = list.x;
  x += draw_text(t, t.font.strong, x, list.y + t.px(6), t.color.text, view.headline) + t.px(10);
  if (!view.note.empty())
    draw_text(t, t.font.small, x, list.y + t.px(6), t.color.warn, view.note, Align::left,
              list.x + list.w - x);
  const float head = t.px(20);
  const Rect below = {list.x, list.y + head, list.w, list.h - head};
  report ? draw_report(f, view, below) : draw_steps(f, view, below);
}

}  // namespace polykv
