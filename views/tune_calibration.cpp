// The calibration: a heat table of layers and policies, and a layer signal beside it.
#include <algorithm>
#include <cmath>

#include "views/tune_parts.h"
#include "views/views.h"

namespace polykv {
namespace {

constexpr float kGutter = 32, kSignalNumber = 40, kHeader = 18, kLegend = 24;

struct MeasureWord {
  const char *id, *word, *spoken;
};
constexpr MeasureWord kMeasures[] = {{"cosine", "cosine", "cosine"},
                                     {"nll_increase", "NLL", "NLL increase, nats"},
                                     {"eviction_error", "error", "eviction error"},
                                     {"kept_mass", "kept mass", "kept mass"}};

int measure_index(const std::string& id) {
  for (int i = 0; i < 4; ++i)
    if (id == kMeasures[i].id) return i;
  return 0;
}

std::string plain(std::string id) {
  std::replace(id.begin(), id.end(), '_', ' ');
  return id;
}

std::string with_error(const MeanError& value) {
  std::string text = format_number(value.mean, 3);
  if (std::isfinite(value.error))
    text += " \u00b1 " + format_number(value.error, 3) + " (standard error)";
  return text + ", n = " + format_count(value.n);
}

void choose_budget(Frame& f, float& right, float y) {
  const int budgets[] = {0, 16, 32, 64, 128, 256};
  TuneUi& ui = f.ui.tune;
  std::vector<MenuItem> items;
  for (const int budget : budgets) {
    MenuItem item;
    item.label = budget == 0 ? "as the plan" : format_count(budget) + " tokens";
    if (budget == 0) item.hint = "its mean budget";
    item.checked = ui.budget == budget;
    items.push_back(std::move(item));
  }
  const std::string label = format_count(calibration_budget(f.ui)) + " tokens";
  const int picked = draw_tune_choice(f, "budget", label, right, y, items);
  if (picked >= 0) ui.budget = budgets[picked];
}

void choose_signal(Frame& f, float& right, float y) {
  TuneUi& ui = f.ui.tune;
  std::vector<MenuItem> fill, signals;
  for (const Allocator& row : allocators()) {
    if (row.needs != kValues) continue;
    MenuItem item;
    item.label = row.id, item.hint = row.summary, item.hint_at = 110;
    fill.push_back(std::move(item));
  }
  const int by = draw_tune_choice(f, "fill", "Fill budgets", right, y, fill);
  if (by >= 0) fill_budgets(f, fill[static_cast<std::size_t>(by)].label, ui.signal);
  const std::vector<std::string> ids = calibration_signal_ids(*f.now.calibration);
  for (const std::string& id : ids) {
    MenuItem item;
    item.label = plain(id);
    item.checked = id == ui.signal;
    signals.push_back(std::move(item));
  }
  const int picked = draw_tune_choice(f, "signal", plain(ui.signal), right, y, signals);
  if (picked >= 0) ui.signal = ids[static_cast<std::size_t>(picked)];
}

// Phase, measure; signal, fill, budget, Calibrate.
void draw_controls(Frame& f, const CalibrationView& view, Rect row) {
  const float y = row.y + row.h / 2;
  float x = row.x, right = row.x + row.w;
  const int phase = f.ui.band.phase == Phase::decode ? 1 : 0;
  const int other = draw_tune_segments(f, "tune phase", x, y, {"prefill", "decode"}, phase);
  if (other != phase) f.ui.band.phase = other == 1 ? Phase::decode : Phase::prefill;
  std::vector<std::string> words;
  for (const MeasureWord& measure : kMeasures) words.push_back(measure.word);
  f.ui.tune.measure = kMeasures[draw_tune_segments(f, "tune measure", x, y, words,
                                                   measure_index(f.ui.tune.measure))]
                          .id;
  if (draw_tune_button(f, "Calibrate", right, y, !tuning(f.now))) start_calibration(f);
  choose_budget(f, right, y);
  right -= f.theme.px(8);
  if (view.missing.empty()) choose_signal(f, right, y);
}

void draw_cell(const Theme& t, Rect area, const TuneCell& cell, bool numbers) {
  const bool known = std::isfinite(cell.value.mean);
  const auto shade = static_cast<float>(cell.shade);
  fill_rect(area, known ? map_color(ColorMap::cividis, shade) : t.color.raised, t.px(2));
  if (!known) return draw_hatch(t, area, t.color.hatch, 5);
  const ImU32 ink = ink_on(cell.shade);
  const float x = area.x + area.w / 2, y = area.y + area.h / 2;
  if (numbers)
    draw_text(t, cell.best ? t.font.small_medium : t.font.small, x, y, ink, cell.text,
              Align::centre);
  // The best: a frame and, where there is room, a tick; as good within its error: dashes.
  if (cell.best) draw_frame_rect(area, ink, t.px(2), t.px(2));
  if (cell.best && !numbers && area.w >= t.px(12) && area.h >= t.px(10))
    draw_tick(x, y, t.px(4), ink);
  if (cell.near && area.w >= t.px(10) && area.h >= t.px(8)) {
    const float left = area.x + t.px(2), wide = area.x + area.w - t.px(2);
    draw_dashed_line(left, area.y + area.h - 1.5f, wide, area.y + area.h - 1.5f, ink, t.px(2),
                     t.px(2));
  }
}

// The plan's own policy: an accent frame outside the cell.
void draw_own(const Theme& t, Rect c) {
  draw_frame_rect({c.x - t.px(2), c.y - t.px(2), c.w + t.px(4), c.h + t.px(4)}, t.color.accent,
                  t.px(2), t.px(3));
}

struct Table {
  Rect area;  // of the cells
  TuneRows rows;
  float cell_w = 0;
  Rect cell(int layer, int column) const {
    const float gap = cell_w >= 12 && rows.h >= 10 ? 2.0f : 1.0f;
    const float x = std::round(area.x + static_cast<float>(column) * cell_w);
    const float next = std::round(area.x + static_cast<float>(column + 1) * cell_w);
    return {x, area.y + static_cast<float>(layer - rows.first) * rows.h, next - x - gap,
            rows.h - gap};
  }
};

void draw_cell_tip(Frame& f, const CalibrationView& view, const TuneCell& cell,
                   const TuneColumn& column, int layer) {
  std::vector<std::string> lines = {
      "L" + std::to_string(layer) + " \u00b7 " + column.policy,
      kMeasures[measure_index(view.measure->id)].spoken + (" " + with_error(cell.value))};
  if (cell.best) lines.push_back("best of this layer");
  if (cell.near) lines.push_back("its 95% interval meets that of the best");
  if (cell.in_plan) {
    lines.push_back("in the plan now");
  } else {
    lines.push_back(column.refusal.empty() ? "click: give it to L" + std::to_string(layer)
                                           : column.refusal);
  }
  draw_tooltip(f.theme, lines);
}

void use_table(Frame& f, const CalibrationView& view, const Table& table) {
  ImGui::SetCursorScreenPos(ImVec2(table.area.x, table.area.y));
  const bool pressed = ImGui::InvisibleButton("tune.table", ImVec2(table.area.w, table.area.h));
  if (!ImGui::IsItemHovered() && !pressed) return;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  for (int layer = table.rows.first; layer < table.rows.last; ++layer) {
    for (std::size_t c = 0; c < view.columns.size(); ++c) {
      if (!table.cell(layer, static_cast<int>(c)).contains(mouse.x, mouse.y)) continue;
      const TuneCell& cell = view.rows[static_cast<std::size_t>(layer)][c];
      const TuneColumn& column = view.columns[c];
      if (column.refusal.empty()) ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
      if (pressed) f.ui.selected.layer = layer;
      if (pressed && column.refusal.empty()) give_policy(f, layer, column.policy);
      return draw_cell_tip(f, view, cell, column, layer);
    }
  }
}

void draw_table(Frame& f, const CalibrationView& view, const Table& table) {
  const Theme& t = f.theme;
  const bool numbers = table.cell_w >= text_width(t.font.small_medium, ".888") + t.px(10) &&
                       table.rows.h >= t.px(15);
  const bool codes = table.cell_w >= t.px(16);
  for (std::size_t c = 0; codes && c < view.columns.size(); ++c)
    draw_text(t, t.font.mono, table.area.x + (static_cast<float>(c) + 0.5f) * table.cell_w,
              table.area.y - t.px(9), t.color.text2, view.columns[c].code, Align::centre);
  for (int layer = table.rows.first; layer < table.rows.last; ++layer) {
    const bool selected = layer == f.ui.selected.layer;
    const Rect first = table.cell(layer, 0);
    if (selected || table.rows.h >= t.px(13) || layer % 8 == 0)
      draw_text(t, selected ? t.font.small_medium : t.font.small, table.area.x - t.px(8),
                first.y + first.h / 2, selected ? t.color.text : t.color.text2,
                "L" + std::to_string(layer), Align::right);
    const auto& row = view.rows[static_cast<std::size_t>(layer)];
    for (std::size_t c = 0; c < row.size(); ++c)
      draw_cell(t, table.cell(layer, static_cast<int>(c)), row[c], numbers);
  }
  for (int layer = table.rows.first; layer < table.rows.last; ++layer) {
    const auto& row = view.rows[static_cast<std::size_t>(layer)];
    for (std::size_t c = 0; c < row.size(); ++c)
      if (row[c].in_plan) draw_own(t, table.cell(layer, static_cast<int>(c)));
  }
  f.ui.places["tune.table"] = table.area;
  if (!view.columns.empty() && table.rows.last > table.rows.first)
    f.ui.places["tune.cell"] = table.cell(table.rows.first, 0);
  use_table(f, view, table);
}

// Mean and standard error of the signal in the rows of the table.
void draw_signal(Frame& f, const CalibrationView& view, const Table& table, float x, float w) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float plot = w - t.px(kSignalNumber);
  const float top = table.area.y, h = table.area.h;
  f.ui.places["tune.signal_plot"] = {x, top, plot, h};
  draw_text(t, t.font.small, x, top - t.px(9), c.text3, view.signal_low);
  draw_text(t, t.font.small, x + plot, top - t.px(9), c.text3, view.signal_high, Align::right);
  fill_rect({x, top, t.px(1), h}, c.edge);
  fill_rect({x + plot, top, t.px(1), h}, c.line);
  std::vector<ImVec2> curve;
  const auto at = [&](float share) { return x + share * plot; };
  for (int layer = table.rows.first; layer < table.rows.last; ++layer) {
    const SignalPoint& point = view.signal[static_cast<std::size_t>(layer)];
    const Rect row = table.cell(layer, 0);
    curve.emplace_back(at(point.at), row.y + row.h / 2);
  }
  ImGui::GetWindowDrawList()->AddPolyline(curve.data(), static_cast<int>(curve.size()), c.text3, 0,
                                          1.4f * t.scale);
  for (int layer = table.rows.first; layer < table.rows.last; ++layer) {
    const SignalPoint& point = view.signal[static_cast<std::size_t>(layer)];
    const ImVec2 p = curve[static_cast<std::size_t>(layer - table.rows.first)];
    const bool tall = table.rows.h >= t.px(13);
    if (std::isfinite(point.value.error)) {
      fill_rect({at(point.low), p.y - t.px(1), at(point.high) - at(point.low), t.px(2)}, c.accent);
      for (const float end : {at(point.low), at(point.high)})
        if (tall) fill_rect({end - t.px(1), p.y - t.px(3), t.px(1.5f), t.px(6)}, c.accent);
    }
    draw_disc(p.x, p.y, t.px(tall ? 4 : 2), c.accent);
    if (tall)
      draw_text(t, t.font.small, x + w, p.y, layer == f.ui.selected.layer ? c.text : c.text2,
                cell_text(point.value.mean), Align::right);
  }
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  if (!ImGui::IsWindowHovered() || !Rect{x, top, w, h}.contains(mouse.x, mouse.y)) return;
  const int layer = std::clamp(table.rows.first + static_cast<int>((mouse.y - top) / table.rows.h),
                               table.rows.first, table.rows.last - 1);
  draw_tooltip(t, {"L" + std::to_string(layer) + " \u00b7 " + plain(view.signal_name),
                   with_error(view.signal[static_cast<std::size_t>(layer)].value)});
}

// Colour bar with numbers, what the frames mean, n.
void draw_legend(Frame& f, const CalibrationView& view, Rect row) {
  const Theme& t = f.theme;
  const float y = row.y + row.h / 2;
  const auto small = [&](float x, const std::string& text, ImU32 color, Align align = Align::left,
                         float most = 0) {
    return draw_text(t, t.font.small, x, y, color, text, align, most);
  };
  // What matters most has its room first: n and doubts at the right.
  float right = row.x + row.w;
  const std::string warning = view.warning.empty() ? "" : " \u00b7 " + view.warning;
  right -= small(right, warning, t.color.warn, Align::right, row.w * 0.36f);
  right -= small(right, view.stamp, t.color.text2, Align::right) + t.px(16);
  float x = row.x;
  const auto bar_number = [&](std::size_t i) {
    if (i < view.bar.size()) x += small(x, view.bar[i], t.color.text2) + t.px(5);
  };
  const auto bar_half = [&](float from) {
    const Rect bar = {std::round(x), y - t.px(5), t.px(40), t.px(10)};
    f.ui.places["tune.bar"] = bar;
    for (int i = 0; i < static_cast<int>(bar.w); ++i)
      fill_rect({bar.x + static_cast<float>(i), bar.y, 1, bar.h},
                map_color(ColorMap::cividis, from + 0.5f * static_cast<float>(i) / bar.w));
    x = bar.x + bar.w + t.px(5);
  };
  // The number at the middle stands in the middle.
  bar_number(0);
  bar_half(0);
  bar_number(1);
  bar_half(0.5f);
  bar_number(2);
  x += t.px(9);
  const float size = t.px(11);
  const struct {
    const char* word;
    int kind;
  } marks[] = {{"best", 0}, {"in plan", 2}, {"as good within error", 1}};
  for (const auto& mark : marks) {
    const float w = size + t.px(6) + text_width(t.font.small, mark.word);
    if (x + w > right) break;
    const Rect box = {std::round(x), std::round(y - size / 2), size, size};
    if (mark.kind == 0) draw_frame_rect(box, t.color.text, t.px(2), t.px(2));
    if (mark.kind == 1)
      draw_dashed_line(box.x, box.y + size - 1.5f, box.x + size, box.y + size - 1.5f, t.color.text,
                       t.px(2), t.px(2));
    if (mark.kind == 2) draw_frame_rect(box, t.color.accent, t.px(2), t.px(3));
    small(x + size + t.px(6), mark.word, t.color.text2);
    x += w + t.px(14);
  }
}

}  // namespace

void draw_calibration(Frame& f, const CalibrationView& view, Rect body) {
  const Theme& t = f.theme;
  if (!view.can_start) {
    draw_empty(t, body, view.missing, "");
    return;
  }
  draw_controls(f, view, {body.x, body.y, body.w, t.px(kTuneRow) - t.px(4)});
  const Rect room = {body.x, body.y + t.px(kTuneRow), body.w, body.h - t.px(kTuneRow)};
  if (!view.missing.empty()) {
    const bool idle = !tuning(f.now);
    if (draw_empty(t, room, idle ? view.missing : "The first case is being measured.",
                   idle ? "Calibrate" : ""))
      start_calibration(f);
    return;
  }
  draw_legend(f, view, {room.x, room.y + room.h - t.px(kLegend), room.w, t.px(kLegend)});
  if (view.columns.empty()) {
    draw_empty(t, room, "The calibration holds no policy for this phase.", "");
    return;
  }
  const int layers = static_cast<int>(view.rows.size());
  Table table;
  const float signal = t.px(room.w < t.px(860) ? 156 : 184), gap = t.px(20);
  const float height = room.h - t.px(kHeader) - t.px(kLegend);
  table.rows = rows_that_fit(height, layers, f.ui.selected.layer, t.px(5), t.px(26));
  const float width = room.w - t.px(kGutter) - gap - signal;
  table.cell_w = std::min(t.px(52), width / static_cast<float>(view.columns.size()));
  table.area = {room.x + t.px(kGutter), room.y + t.px(kHeader),
                table.cell_w * static_cast<float>(view.columns.size()),
                table.rows.h * static_cast<float>(table.rows.last - table.rows.first)};
  draw_table(f, view, table);
  if (static_cast<int>(view.signal.size()) == layers)
    draw_signal(f, view, table, table.area.x + table.area.w + gap, signal);
}

}  // namespace polykv
